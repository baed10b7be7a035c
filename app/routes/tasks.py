"""`/run/{task}`, `/create/{task}` and `/check/{task}` of one task."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel

from app.audit import note
from app.dependencies import caller_of, jobs_of
from app.direct import Direct, DirectRoutes, read_params, read_question
from app.idempotency import idempotency
from app.params import request_model, written
from app.patience import unless_gone
from app.restricted_routes import TaskRoute
from app.routes.refusals import INVALID, OF_BODIES, REFUSALS
from app.schemas import job_response, record_model
from config.registry import TaskSpec
from config.settings import Settings
from config.task_rules import CONCURRENCY_FIELD
from workers.queue.records import NewJob

LONGEST_WAIT = 3600  # seconds
LONGEST_ID = 256

Endpoint = Callable[..., Awaitable[Response]]

ResultId = Annotated[str, Query(description="The job's id", max_length=LONGEST_ID)]
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


def task_router(spec: TaskSpec, settings: Settings) -> tuple[APIRouter, DirectRoutes]:
    """The routes of one task that are switched on, and how plain requests to them are answered."""
    router = APIRouter(tags=[spec.name], route_class=TaskRoute, responses={**REFUSALS, **INVALID})
    record, params = record_model(spec), request_model(spec)
    direct: DirectRoutes = {}
    for name, is_on, make in (
        ("run", settings.api_run, _run_endpoint),
        ("create", settings.api_create, _create_endpoint),
    ):
        path, endpoint = f"/{name}/{spec.name}", make(spec.name)
        if is_on:
            summary = f"{name.capitalize()} {spec.name}"
            router.post(path, response_model=record, summary=summary, responses=OF_BODIES)(
                _taking(params, endpoint)
            )
            direct["POST", path] = _direct_order(spec.name, params, endpoint, settings)
    if settings.api_check:
        path, endpoint = f"/check/{spec.name}", _check_endpoint(spec.name)
        router.get(path, response_model=record, summary=f"Check {spec.name}")(endpoint)
        direct["GET", path] = _direct_check(spec.name, endpoint)
    return router, direct


def _direct_order(
    task: str, model: type[BaseModel], endpoint: Endpoint, settings: Settings
) -> Direct:
    async def direct(request: Request) -> Awaitable[Response] | None:
        if not caller_of(request).may_run(task):
            return None
        params = await read_params(request, model, settings.max_body_bytes)
        return endpoint(params, request) if params is not None else None

    return direct


def _direct_check(task: str, endpoint: Endpoint) -> Direct:
    async def direct(request: Request) -> Awaitable[Response] | None:
        job_id, wait = read_question(request, LONGEST_WAIT) or (None, 0.0)
        if job_id is None or not caller_of(request).may_run(task):
            return None
        return endpoint(request, job_id, wait)

    return direct


def _run_endpoint(task: str) -> Callable[..., Any]:
    async def run(params: BaseModel, request: Request, key: IdempotencyKey = None) -> Response:
        """Run the task and wait for its result."""
        job = await _order(request, task, params, key)
        # Noted at once: nobody else knows of the job if the client does not wait for its end.
        running = jobs_of(request).run(job, partial(note, request))
        view = await unless_gone(request, running)
        note(request, view.id, view.state)
        return job_response(view)

    return run


def _create_endpoint(task: str) -> Callable[..., Any]:
    async def create(params: BaseModel, request: Request, key: IdempotencyKey = None) -> Response:
        """Queue the task and answer at once; ask `check` for its result."""
        view = await jobs_of(request).create(await _order(request, task, params, key))
        note(request, view.id)
        return job_response(view)

    return create


def _check_endpoint(task: str) -> Callable[..., Any]:
    async def check(request: Request, result_id: ResultId, wait: Wait = 0) -> Response:
        """How a job of this task stands."""
        return await check_job(request, result_id, wait, task)

    return check


async def check_job(request: Request, job_id: str, wait: float, task: str = "") -> Response:
    """The job record of ``job_id``, after up to ``wait`` seconds."""
    jobs, caller = jobs_of(request), caller_of(request)
    view = await jobs.ended(job_id, caller, task)
    if view is not None:
        return job_response(view)
    if not wait:  # to listen for its end and for the client's costs a lot more
        return job_response(await jobs.look(job_id, caller, task))
    return job_response(await unless_gone(request, jobs.check(job_id, caller, wait, task)))


async def _order(request: Request, task: str, params: BaseModel, key: str | None) -> NewJob:
    body = written(params)
    user = caller_of(request).name
    once = idempotency(user, task, key, await request.json()) if key is not None else None
    places = getattr(params, CONCURRENCY_FIELD)
    return jobs_of(request).order(task, body, user, places, once)


def _taking(params: type[BaseModel], endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """``endpoint`` with its body typed as this task's parameters, which FastAPI looks at."""
    endpoint.__annotations__["params"] = params
    return endpoint
