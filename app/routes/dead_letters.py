"""`/dead_letters`: jobs that could not be run, kept for whoever looks after the cluster."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.audit import note
from app.dependencies import AdminDep, JobsDep
from app.errors import NotFoundError
from app.restricted_routes import AdminRoute
from app.routes.refusals import INVALID, OF_BODIES, REFUSALS, refusal
from app.schemas import (
    DeadLettersAnswer,
    JobRecord,
    ReplayRequest,
    dead_letters_response,
    job_response,
)

MOST_LETTERS = 1000  # in one answer
ADMIN_REFUSALS = {**REFUSALS, **INVALID, 403: refusal("Not an admin")}

router = APIRouter(tags=["dead letters"], route_class=AdminRoute, responses=ADMIN_REFUSALS)

Limit = Annotated[int, Query(ge=1, le=MOST_LETTERS, description="How many to answer at most")]


@router.get("/dead_letters", response_model=DeadLettersAnswer, summary="Jobs that cannot be run")
async def dead_letters(jobs: JobsDep, _admin: AdminDep, limit: Limit = 100) -> Response:
    """The latest jobs that were given up because they crashed their workers or are unreadable."""
    return dead_letters_response(await jobs.dead_letters(limit))


@router.post(
    "/dead_letters/replay",
    response_model=JobRecord,
    summary="Run a dead letter again",
    responses={**OF_BODIES, 404: refusal("No such dead letter")},
)
async def replay(
    request: Request, wanted: ReplayRequest, jobs: JobsDep, _admin: AdminDep
) -> Response:
    """Queue a new job with the same parameters and owner; the dead letter is dropped."""
    note(request, wanted.result_id)
    view = await jobs.replay(wanted.result_id)
    if view is None:
        raise NotFoundError(f"no dead letter {wanted.result_id}")
    return job_response(view)
