"""`/upload` and `/download`."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse

from app.audit import note
from app.dependencies import CallerDep, FilesDep
from app.growing_file import GrowingFileResponse
from app.routes.refusals import INVALID, OF_BODIES, REFUSALS, Refusals, refusal
from app.schemas import UploadAnswer
from app.security_headers import SANDBOX
from app.strict_json import refuse_encoded
from app.upload import Upload
from config.settings import Settings

FORM: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {
                    "file": {"type": "string", "format": "binary"},
                    "sha256": {
                        "type": "string",
                        "pattern": "^[0-9A-Fa-f]{64}$",
                        "description": "The file's SHA-256, if it shall be checked: "
                        "400, and nothing is stored, if another file arrives.",
                    },
                },
            }
        }
    },
}
OF_UPLOADS: Refusals = {
    **OF_BODIES,
    400: refusal("Not a form with one file, or not a file's name"),
    507: refusal("No room for the file"),
}
ANY_CONTENT = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
OF_DOWNLOADS: Refusals = {
    **INVALID,
    200: {"description": "The file", "content": ANY_CONTENT},
    206: {"description": "The ranges that were asked for", "content": ANY_CONTENT},
    400: refusal("Not the name of a file below the files folder, or not a range"),
    403: refusal("A file of FastTask itself, or outside the files folder"),
    404: refusal("No such file, or another user's"),
    416: refusal("The file has no such range"),
}


def files_router(settings: Settings) -> APIRouter:
    """The file routes that are switched on."""
    router = APIRouter(tags=["files"], responses=REFUSALS)
    if settings.api_file_upload:
        router.post(
            "/upload",
            response_model=UploadAnswer,
            summary="Upload a file",
            responses=OF_UPLOADS,
            max_body_size=settings.max_upload_bytes,
            openapi_extra={"requestBody": FORM},
        )(_upload)
    if settings.api_file_download:
        router.get(
            "/download",
            response_class=FileResponse,
            summary="Download a file",
            responses=OF_DOWNLOADS,
        )(_download)
    return router


async def _upload(request: Request, files: FilesDep, caller: CallerDep) -> UploadAnswer:
    """Store a file under a new name, which tasks find below FILES_DIR."""
    refuse_encoded(request)
    upload = Upload(request)
    saved = await files.save(await upload.name(), upload.content(), caller, upload.sha256)
    note(request, saved.name, sha256=saved.sha256)
    return UploadAnswer(file_name=saved.name, sha256=saved.sha256)


async def _download(
    request: Request,
    file_name: Annotated[str, Query(max_length=4096)],
    files: FilesDep,
    caller: CallerDep,
) -> FileResponse:
    """A file that you uploaded or that a task wrote; ranges are supported."""
    note(request, file_name)
    path = await files.find(file_name, caller)
    return GrowingFileResponse(path, filename=path.name, headers=SANDBOX)
