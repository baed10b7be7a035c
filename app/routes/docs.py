"""`/docs`, `/redoc` and `/openapi.json`."""

from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.responses import HTMLResponse

from config.settings import Settings

OPENAPI_URL = "/openapi.json"


def docs_router(settings: Settings) -> APIRouter:
    """The pages that are switched on."""
    router = APIRouter(include_in_schema=False)
    title = settings.project_title

    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(openapi_url=OPENAPI_URL, title=title)

    async def redoc() -> HTMLResponse:
        return get_redoc_html(openapi_url=OPENAPI_URL, title=title)

    if settings.api_docs:
        router.get("/docs")(docs)
    if settings.api_redoc:
        router.get("/redoc")(redoc)
    return router


def describe_authentication(app: FastAPI) -> None:
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
