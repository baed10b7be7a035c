"""`GET /check/{id}`: a job by its id alone."""

from collections.abc import Awaitable
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from app.direct import DirectRoutes, read_question
from app.errors import NotFoundError
from app.routes.refusals import INVALID, REFUSALS, refusal
from app.routes.tasks import LONGEST_ID, LONGEST_WAIT, Wait, check_job
from app.schemas import JobRecord

router = APIRouter(tags=["jobs"], responses={**REFUSALS, **INVALID})


@router.get(
    "/check/{job_id}",
    response_model=JobRecord,
    summary="Check any job by its id",
    responses={404: refusal("A result_id was given: no such task")},
)
async def check(
    request: Request,
    job_id: Annotated[str, Path(max_length=LONGEST_ID)],
    wait: Wait = 0,
    result_id: Annotated[str | None, Query(include_in_schema=False)] = None,
) -> Response:
    """How a job stands, whatever its task."""
    if result_id is not None:  # it was meant for /check/{task}
        raise NotFoundError(f"no task {job_id} here")
    return await check_job(request, job_id, wait)


async def _check_directly(request: Request) -> Awaitable[Response] | None:
    job_id = request.scope["path"].rpartition("/")[2]
    question = read_question(request, LONGEST_WAIT)
    if question is None or not 0 < len(job_id) <= LONGEST_ID:
        return None
    result_id, wait = question
    return check_job(request, job_id, wait) if result_id is None else None


DIRECT: DirectRoutes = {("GET", "/check/"): _check_directly}
