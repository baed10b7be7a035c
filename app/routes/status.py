"""`/status_info`: what the cluster does."""

from typing import Any, get_args

import orjson
from fastapi import APIRouter, Response

from app.callers import Caller
from app.dependencies import CallerDep, ServicesDep
from app.routes.refusals import INVALID, OF_BODIES, REFUSALS
from app.schemas import JsonResponse, StatusField, StatusRequest
from app.services import Services
from app.status import as_seen_by, running_jobs, task_info, worker_status
from app.strict_json import StrictRoute
from workers.queue.records import Statistics

router = APIRouter(tags=["status"], route_class=StrictRoute, responses=REFUSALS)


@router.post(
    "/status_info",
    summary="Parts of the status",
    response_model=dict[str, Any],
    responses={**OF_BODIES, **INVALID},
)
async def status_info(request: StatusRequest, services: ServicesDep, caller: CallerDep) -> Response:
    """The wanted parts of the cluster's status."""
    return await _status(services, caller, request.fields)


@router.get("/status_info", summary="The whole status", response_model=dict[str, Any])
async def whole_status_info(services: ServicesDep, caller: CallerDep) -> Response:
    """Everything that status_info knows."""
    return await _status(services, caller, list(get_args(StatusField)))


async def _status(services: Services, caller: Caller, fields: list[StatusField]) -> Response:
    tasks = [task for task in services.settings.loaded_tasks if caller.may_run(task)]
    statistics = await services.broker.statistics(
        tasks, workers="worker_status" in fields, owner="" if caller.sees_all else caller.name
    )
    status: dict[str, Any] = {"running_id": services.jobs.running_id, "username": caller.name}
    if "worker_status" in fields:
        status["worker_status"] = await _worker_status(services, caller, statistics)
    if "pending_task_count" in fields:
        status["pending_task_count"] = statistics.waiting
    if "task_info" in fields:
        status |= task_info(statistics, tasks)
    return JsonResponse(orjson.dumps(status))


async def _worker_status(
    services: Services, caller: Caller, statistics: Statistics
) -> dict[str, Any]:
    if caller.sees_all:
        return worker_status(statistics.workers)
    own = await services.jobs.owned_by(caller, running_jobs(statistics.workers))
    return worker_status(as_seen_by(caller, own, statistics.workers))
