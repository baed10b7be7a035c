"""Assembles the gateway from its parts."""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial

from fastapi import FastAPI
from starlette.types import ASGIApp

from app.accounts import AccountFiles
from app.audit import AuditLog, AuditTrail
from app.auth import Authentication
from app.direct import DirectRouter, DirectRoutes
from app.door import Door
from app.errors import JsonErrors, install_error_handlers
from app.request_log import RequestLog
from app.routes import checks, dead_letters, health, revoke, status
from app.routes.docs import add_docs
from app.routes.files import files_router
from app.routes.tasks import task_router
from app.services import Services, running_services
from config.registry import TaskSpec
from config.settings import Settings


class _Gateway(FastAPI):
    """FastAPI, and around it what every request passes first."""

    surroundings: Callable[[ASGIApp], ASGIApp]

    def build_middleware_stack(self) -> ASGIApp:
        return self.surroundings(JsonErrors(super().build_middleware_stack()))


def create_app(settings: Settings, specs: Mapping[str, TaskSpec]) -> FastAPI:
    """The gateway for the tasks ``specs``; its services live as long as its lifespan."""
    accounts = AccountFiles(settings)
    audit = AuditLog(settings) if settings.audit_log else None

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, Services]]:
        async with running_services(settings, accounts.watch()) as services:
            yield {"services": services}
        if audit is not None:
            await audit.close()

    app = _Gateway(
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
    direct = _add_routes(app, settings, specs)
    app.surroundings = partial(_surrounded, direct, settings, Door(accounts), audit)
    return app


def _surrounded(
    direct: DirectRoutes, settings: Settings, door: Door, audit: AuditLog | None, fastapi: ASGIApp
) -> ASGIApp:
    """What a request passes until somebody answers it, from the inside out."""
    app: ASGIApp = DirectRouter(fastapi, direct)
    if audit is not None:
        app = AuditTrail(app, audit)
    app = Authentication(app, door, audit, settings.max_requests_per_second)
    return RequestLog(app) if settings.debug else app


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
