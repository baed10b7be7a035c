"""`/upload` and `/download`."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query, UploadFile
from fastapi.responses import FileResponse

from app.dependencies import FilesDep
from app.files import CHUNK
from app.routes.tasks import ERRORS
from app.schemas import ErrorAnswer, UploadAnswer
from config.settings import Settings


def files_router(settings: Settings) -> APIRouter:
    """The file routes that are switched on."""
    router = APIRouter(tags=["files"], responses=ERRORS)
    if settings.api_file_upload:
        router.post(
            "/upload",
            response_model=UploadAnswer,
            summary="Upload a file",
            responses={400: {"model": ErrorAnswer}, 507: {"model": ErrorAnswer}},
            max_body_size=settings.max_upload_bytes,
        )(_upload)
    if settings.api_file_download:
        router.get(
            "/download",
            response_class=FileResponse,
            summary="Download a file",
            responses={n: {"model": ErrorAnswer} for n in (400, 403, 404)},
        )(_download)
    return router


async def _upload(file: UploadFile, files: FilesDep) -> UploadAnswer:
    """Store a file under a new name, which tasks find below FILES_DIR."""
    return UploadAnswer(file_name=await files.save(file.filename or "", _chunks(file)))


async def _download(
    file_name: Annotated[str, Query(max_length=4096)], files: FilesDep
) -> FileResponse:
    """A file that was uploaded or that a task wrote; ranges are supported."""
    path = await files.find(file_name)
    return FileResponse(path, filename=path.name)


async def _chunks(file: UploadFile) -> AsyncIterator[bytes]:
    while chunk := await file.read(CHUNK):
        yield chunk
