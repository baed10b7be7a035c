"""Assembles the gateway from its parts."""

import contextlib
from collections.abc import AsyncIterator, Mapping

from fastapi import FastAPI
from starlette.middleware import Middleware
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
    """FastAPI, whose own refusals, made outside of all middleware, are JSON like all others."""

    def build_middleware_stack(self) -> ASGIApp:
        return JsonErrors(super().build_middleware_stack())


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
        middleware=_middleware(settings, Door(accounts), audit),
        max_body_size=settings.max_body_bytes,
    )
    install_error_handlers(app)
    _add_routes(app, settings, specs)
    return app


def _middleware(settings: Settings, door: Door, audit: AuditLog | None) -> list[Middleware]:
    log = [Middleware(RequestLog)] if settings.debug else []
    authentication = Middleware(
        Authentication,
        door=door,
        audit=audit,
        requests_per_second=settings.max_requests_per_second,
    )
    trail = [Middleware(AuditTrail, audit=audit)] if audit is not None else []
    return [*log, authentication, *trail]


def _add_routes(app: FastAPI, settings: Settings, specs: Mapping[str, TaskSpec]) -> None:
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
    app.router.middleware_stack = DirectRouter(app.router.middleware_stack, direct)
