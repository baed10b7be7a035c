"""`/docs`, `/redoc` and `/openapi.json`; their scripts come from this server, not from the web."""

import base64
import hashlib
import importlib.resources
import re
from collections.abc import Awaitable, Callable

from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from config.settings import Settings

OPENAPI_URL = "/openapi.json"
ASSETS_URL = "/docs-assets"
NO_ICON = "data:,"
INLINE_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)

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
        _describe_authentication(app)


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


def _describe_authentication(app: FastAPI) -> None:
    """Say in the OpenAPI page that HTTP Basic is understood, so that it offers to log in."""
    plain = app.openapi

    def openapi() -> dict[str, object]:
        schema = plain()
        schema.setdefault("components", {})["securitySchemes"] = {
            "basic": {"type": "http", "scheme": "basic"}
        }
        schema["security"] = [{"basic": []}, {}]
        return schema

    app.openapi = openapi  # type: ignore[method-assign]
