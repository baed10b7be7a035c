"""`POST /revoke`: take a job back."""

from fastapi import APIRouter

from app.dependencies import CallerDep, JobsDep
from app.routes.tasks import ERRORS
from app.schemas import ActionAnswer, RevokeRequest
from app.strict_json import StrictRoute

router = APIRouter(tags=["jobs"], route_class=StrictRoute, responses=ERRORS)


@router.post("/revoke", response_model=ActionAnswer, summary="Revoke a job")
async def revoke(request: RevokeRequest, jobs: JobsDep, caller: CallerDep) -> ActionAnswer:
    """Take a job back for good: from now on it does not start and no SUCCESS appears."""
    revocation = await jobs.revoke(request.result_id, caller)
    if revocation.accepted:
        return ActionAnswer(status="SUCCESS", message="revoked")
    if not revocation.view.known:
        return ActionAnswer(status="FAILURE", message=revocation.view.text)
    ended = f"the job has ended already: {revocation.view.state}"
    return ActionAnswer(status="FAILURE", message=ended)
