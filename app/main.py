"""Assembles the gateway from its parts."""

import contextlib
from collections.abc import AsyncIterator, Mapping

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.types import ASGIApp, Scope

from app.accounts import AccountFiles
from app.audit import AuditLog, AuditTrail
from app.auth import Authentication
from app.direct import DirectRouter, DirectRoutes, Ended
from app.door import Door
from app.errors import JsonErrors, install_error_handlers
from app.methods import install_allowed_methods
from app.request_log import RequestLog
from app.routes import checks, dead_letters, health, revoke, status
from app.routes.docs import add_docs
from app.routes.files import files_router
from app.routes.tasks import task_router
from app.services import Services, running_services
from config.registry import TaskSpec
from config.settings import Settings


def create_app(settings: Settings, specs: Mapping[str, TaskSpec]) -> ASGIApp:
    """The gateway for the tasks ``specs``; its services live as long as its lifespan."""
    accounts = AccountFiles(settings)
    audit = AuditLog(settings) if settings.audit_log else None

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, Services]]:
        async with running_services(settings, accounts.watch()) as services:
            yield {"services": services}
        if audit is not None:
            await audit.close()

    app = FastAPI(
        title=settings.project_title,
        summary=settings.project_summary,
        description=settings.project_description,
        version=settings.project_version,
        openapi_url=None,  # our own route shows each caller what concerns him
        openapi_tags=[{"name": spec.name, "description": spec.summary} for spec in specs.values()],
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        max_body_size=settings.max_body_bytes,
    )
    install_error_handlers(app)
    install_allowed_methods(app)
    direct = _add_routes(app, settings, specs)
    _make_all(app)
    return _surrounded(JsonErrors(app), direct, settings, Door(accounts), audit)


def _make_all(app: FastAPI) -> None:
    """Have FastAPI make now what it would at the first request: API processes are forks."""
    app.middleware_stack = app.build_middleware_stack()
    for _ in iter_route_contexts(app.routes):
        pass


def _surrounded(
    app: ASGIApp, direct: DirectRoutes, settings: Settings, door: Door, audit: AuditLog | None
) -> ASGIApp:
    """What a request passes before it is looked at, from the inside out."""
    ended: Ended = _unaudited
    if audit is not None:
        app = trail = AuditTrail(app, audit)
        ended = trail.ended
    app = DirectRouter(app, direct, ended)
    app = Authentication(app, door, audit, settings.max_requests_per_second)
    return RequestLog(app) if settings.debug else app


def _unaudited(_scope: Scope, _status: int) -> None:
    """There is no audit log."""


def _add_routes(app: FastAPI, settings: Settings, specs: Mapping[str, TaskSpec]) -> DirectRoutes:
    """The routes of FastAPI; those that plain requests take past it are the answer."""
    direct: DirectRoutes = {}
    for spec in specs.values():
        router, of_task = task_router(spec, settings)
        app.include_router(router)
        direct |= of_task
    if settings.api_check:
        app.include_router(checks.router)
        direct |= checks.DIRECT
    if settings.api_revoke:
        app.include_router(revoke.router)
    app.include_router(files_router(settings))
    if settings.api_status_info:
        app.include_router(status.router)
    if settings.api_dead_letters:
        app.include_router(dead_letters.router)
    app.include_router(health.router)
    add_docs(app, settings)
    return direct
