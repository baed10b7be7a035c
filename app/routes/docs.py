"""`/docs`, `/redoc` and `/openapi.json`; their scripts come from this server, not from the web."""

import base64
import hashlib
import importlib.resources
import re
from collections.abc import Awaitable, Callable, Collection
from functools import lru_cache
from typing import Any

import orjson
from fastapi import FastAPI, Response
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse
from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute
from starlette.staticfiles import StaticFiles

from app.callers import ANONYMOUS
from app.dependencies import CallerDep
from app.restricted_routes import AdminRoute, TaskRoute
from app.schemas import JsonResponse
from config.settings import Settings

OPENAPI_URL = "/openapi.json"
ASSETS_URL = "/docs-assets"
NO_ICON = "data:,"
INLINE_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
MOST_SCHEMAS = 64  # kept at once: one for each set of tasks that some user may run
WAYS_TO_LOG_IN: dict[str, Any] = {
    "basic": {"type": "http", "scheme": "basic"},
    "token": {"type": "http", "scheme": "bearer"},
}

Page = Callable[[], Awaitable[HTMLResponse]]


def add_docs(app: FastAPI, settings: Settings) -> None:
    """Add the pages that are switched on."""
    if settings.api_docs:
        app.get("/docs", include_in_schema=False)(_docs_page(settings.project_title))
    if settings.api_redoc:
        app.get("/redoc", include_in_schema=False)(_redoc_page(settings.project_title))
    if settings.api_docs or settings.api_redoc:
        # The package that carries Swagger UI and ReDoc; nothing else of it is used.
        assets = importlib.resources.files("fastapi_offline") / "static"
        app.mount(ASSETS_URL, StaticFiles(directory=str(assets)))
        app.get(OPENAPI_URL, include_in_schema=False)(_schema_route(app))


def _docs_page(title: str) -> Page:
    async def docs() -> HTMLResponse:
        return _restricted(
            get_swagger_ui_html(
                openapi_url=OPENAPI_URL,
                title=title,
                swagger_js_url=f"{ASSETS_URL}/swagger-ui-bundle.js",
                swagger_css_url=f"{ASSETS_URL}/swagger-ui.css",
                swagger_favicon_url=NO_ICON,
            )
        )

    return docs


def _redoc_page(title: str) -> Page:
    async def redoc() -> HTMLResponse:
        return _restricted(
            get_redoc_html(
                openapi_url=OPENAPI_URL,
                title=title,
                redoc_js_url=f"{ASSETS_URL}/redoc.standalone.js",
                redoc_favicon_url=NO_ICON,
                with_google_fonts=False,
            )
        )

    return redoc


def _restricted(page: HTMLResponse) -> HTMLResponse:
    """The page, which may run this server's scripts and its own inline ones, and talk to it alone.

    Both pages make styles as they run, and ReDoc a worker for its search.
    """
    inline = [f"'sha256-{_digest(text)}'" for text in INLINE_SCRIPT.findall(bytes(page.body))]
    page.headers["Content-Security-Policy"] = "; ".join(
        [
            "default-src 'none'",
            " ".join(["script-src 'self'", *inline]),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "worker-src blob:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )
    return page


def _digest(script: bytes) -> str:
    return base64.b64encode(hashlib.sha256(script).digest()).decode()


def _schema_route(app: FastAPI) -> Callable[..., Awaitable[Response]]:
    """What is there for a caller to use, and nothing of the rest, not even its models."""

    @lru_cache(MOST_SCHEMAS)
    def schema(tasks: frozenset[str], for_admins: bool, for_anybody: bool) -> bytes:
        routes = [
            route
            for route in iter_route_contexts(app.routes)
            if _is_for(route.original_route, tasks, for_admins)
        ]
        tags = [tag for tag in app.openapi_tags or [] if tag["name"] in tasks]
        document = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            description=app.description,
            routes=routes,
            tags=tags,
        )
        document.setdefault("components", {})["securitySchemes"] = WAYS_TO_LOG_IN
        # Where there are no users the page offers to log in all the same, and works without.
        without: list[dict[str, Any]] = [{}] if for_anybody else []
        document["security"] = [*({way: []} for way in WAYS_TO_LOG_IN), *without]
        return orjson.dumps(document)

    known = frozenset(tag["name"] for tag in app.openapi_tags or [])

    async def openapi(caller: CallerDep) -> Response:
        tasks = frozenset(filter(caller.may_run, known))
        document = schema(tasks, caller.sees_all, caller is ANONYMOUS)
        return JsonResponse(document)

    return openapi


def _is_for(route: BaseRoute, tasks: Collection[str], for_admins: bool) -> bool:
    if isinstance(route, TaskRoute):
        return route.task in tasks
    return for_admins or not isinstance(route, AdminRoute)
