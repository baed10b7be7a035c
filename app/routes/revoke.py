"""`POST /revoke`: take a job back."""

from fastapi import APIRouter, Request

from app.audit import note
from app.dependencies import CallerDep, JobsDep
from app.routes.refusals import INVALID, OF_BODIES, REFUSALS
from app.schemas import ActionAnswer, RevokeRequest
from app.strict_json import StrictRoute
from workers.queue.records import Revocation

router = APIRouter(
    tags=["jobs"],
    route_class=StrictRoute,
    responses={**REFUSALS, **OF_BODIES, **INVALID},
)


@router.post("/revoke", response_model=ActionAnswer, summary="Revoke a job")
async def revoke(
    request: Request, wanted: RevokeRequest, jobs: JobsDep, caller: CallerDep
) -> ActionAnswer:
    """Take a job back for good: from now on it does not start and no SUCCESS appears."""
    answer = _answer(await jobs.revoke(wanted.result_id, caller))
    note(request, wanted.result_id, answer.status)
    return answer


def _answer(revocation: Revocation) -> ActionAnswer:
    if revocation.accepted:
        return ActionAnswer(status="SUCCESS", message="revoked")
    if not revocation.view.known:
        return ActionAnswer(status="FAILURE", message=revocation.view.text)
    ended = f"the job has ended already: {revocation.view.state}"
    return ActionAnswer(status="FAILURE", message=ended)
