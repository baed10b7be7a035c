"""`GET /check/{id}`: a job by its id alone."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from app.dependencies import CallerDep, JobsDep
from app.errors import NotFoundError
from app.routes.tasks import ERRORS, Wait, check_job
from app.schemas import JobRecord

router = APIRouter(tags=["jobs"], responses=ERRORS)


@router.get("/check/{job_id}", response_model=JobRecord, summary="Check any job by its id")
async def check(
    request: Request,
    jobs: JobsDep,
    caller: CallerDep,
    job_id: Annotated[str, Path(max_length=256)],
    wait: Wait = 0,
    result_id: Annotated[str | None, Query(include_in_schema=False)] = None,
) -> Response:
    """How a job stands, whatever its task."""
    if result_id is not None:  # it was meant for /check/{task}
        raise NotFoundError(f"no task {job_id} here")
    return await check_job(request, jobs, caller, job_id, wait)
