"""`/run/{task}`, `/create/{task}` and `/check/{task}` of one task."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel

from app.audit import note
from app.callers import Caller
from app.dependencies import CallerDep, JobsDep
from app.idempotency import idempotency
from app.jobs import Jobs, Order
from app.patience import unless_gone
from app.restricted_routes import TaskRoute
from app.schemas import ErrorAnswer, job_response, record_model, request_model
from config.registry import CONCURRENCY_FIELD, TaskSpec
from config.settings import Settings

ERRORS: dict[int | str, dict[str, Any]] = {
    401: {"model": ErrorAnswer, "description": "No or wrong credentials"},
    413: {"model": ErrorAnswer, "description": "Too large"},
    503: {"model": ErrorAnswer, "description": "The queue server is away; see Retry-After"},
}
LONGEST_WAIT = 3600  # seconds

ResultId = Annotated[str, Query(description="The job's id", max_length=256)]
Wait = Annotated[
    float,
    Query(ge=0, le=LONGEST_WAIT, description="Seconds to hold the answer until the job ends"),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]+$",
        min_length=1,
        max_length=256,
        description="Visible ASCII of your choice, new for each job: a request that is repeated "
        "with the same key and body gets the same job, until its result expires",
    ),
]


def task_router(spec: TaskSpec, settings: Settings) -> APIRouter:
    """The routes of one task that are switched on."""
    router = APIRouter(tags=[spec.name], route_class=TaskRoute, responses=ERRORS)
    record, params = record_model(spec), request_model(spec)
    if settings.api_run:
        router.post(f"/run/{spec.name}", response_model=record, summary=f"Run {spec.name}")(
            _taking(params, _run_endpoint(spec.name))
        )
    if settings.api_create:
        router.post(f"/create/{spec.name}", response_model=record, summary=f"Create {spec.name}")(
            _taking(params, _create_endpoint(spec.name))
        )
    if settings.api_check:
        router.get(f"/check/{spec.name}", response_model=record, summary=f"Check {spec.name}")(
            _check_endpoint(spec.name)
        )
    return router


def _run_endpoint(task: str) -> Callable[..., Any]:
    async def run(
        params: BaseModel,
        request: Request,
        jobs: JobsDep,
        caller: CallerDep,
        key: IdempotencyKey = None,
    ) -> Response:
        """Run the task and wait for its result."""
        order = await _order(request, task, params, caller.name, key)
        return await unless_gone(request, _run(request, jobs, order))

    return run


def _create_endpoint(task: str) -> Callable[..., Any]:
    async def create(
        params: BaseModel,
        request: Request,
        jobs: JobsDep,
        caller: CallerDep,
        key: IdempotencyKey = None,
    ) -> Response:
        """Queue the task and answer at once; ask `check` for its result."""
        view = await jobs.create(await _order(request, task, params, caller.name, key))
        note(request, view.id)
        return job_response(view)

    return create


def _check_endpoint(task: str) -> Callable[..., Any]:
    async def check(
        request: Request, jobs: JobsDep, caller: CallerDep, result_id: ResultId, wait: Wait = 0
    ) -> Response:
        """How a job of this task stands."""
        return await check_job(request, jobs, caller, result_id, wait, task)

    return check


async def check_job(
    request: Request, jobs: Jobs, caller: Caller, job_id: str, wait: float, task: str = ""
) -> Response:
    """The job record of ``job_id``, after up to ``wait`` seconds."""
    if not wait:
        return job_response(await jobs.look(job_id, caller, task))
    return await unless_gone(request, _check(jobs, caller, job_id, wait, task))


async def _check(jobs: Jobs, caller: Caller, job_id: str, wait: float, task: str) -> Response:
    return job_response(await jobs.check(job_id, caller, wait, task))


async def _run(request: Request, jobs: Jobs, order: Order) -> Response:
    view = await jobs.run(order)
    note(request, view.id, view.state)
    return job_response(view)


async def _order(
    request: Request, task: str, params: BaseModel, user: str, key: str | None
) -> Order:
    body = params.model_dump_json(
        exclude={CONCURRENCY_FIELD}, by_alias=False, exclude_computed_fields=True
    )
    once = idempotency(user, task, key, await request.json()) if key is not None else None
    return Order(task, body.encode(), user, getattr(params, CONCURRENCY_FIELD), once)


def _taking(params: type[BaseModel], endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """``endpoint`` with its body typed as this task's parameters, which FastAPI looks at."""
    endpoint.__annotations__["params"] = params
    return endpoint
