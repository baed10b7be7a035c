"""Which routes there are, as the settings say. No request gets as far as the queue."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.main import create_app
from config.registry import load_tasks
from config.settings import Settings

GATEWAY_TASKS = Path(__file__).parents[2] / "gateway_tasks"
SWITCHES: dict[str, list[tuple[str, str]]] = {
    "api_docs": [("GET", "/docs")],
    "api_redoc": [("GET", "/redoc")],
    "api_status_info": [("GET", "/status_info"), ("POST", "/status_info")],
    "api_run": [("POST", "/run/add"), ("POST", "/run/strict")],
    "api_create": [("POST", "/create/add"), ("POST", "/create/strict")],
    "api_check": [("GET", "/check/add"), ("GET", "/check/strict"), ("GET", "/check/some-id")],
    "api_revoke": [("POST", "/revoke")],
    "api_file_download": [("GET", "/download")],
    "api_file_upload": [("POST", "/upload")],
    "api_dead_letters": [("GET", "/dead_letters"), ("POST", "/dead_letters/replay")],
}
TEMPLATES = {"/check/some-id": "/check/{job_id}"}


@pytest.fixture
def gateway(make_settings: Callable[..., Settings]) -> Callable[..., Any]:
    """Makes a client of a gateway with these settings."""

    @asynccontextmanager
    async def made(**overrides: Any) -> AsyncIterator[httpx.AsyncClient]:
        settings = make_settings(tasks_dir=GATEWAY_TASKS, enabled_tasks=("add", "strict"),
                                 **overrides)  # fmt: skip
        app = create_app(settings, load_tasks(settings.tasks_dir, settings.loaded_tasks))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="https://x") as client:
            yield client

    return made


async def paths(client: httpx.AsyncClient) -> dict[str, Any]:
    described: dict[str, Any] = (await client.get("/openapi.json")).json()["paths"]
    return described


@pytest.mark.parametrize("name", SWITCHES)
async def test_a_switch_removes_its_routes_and_no_others(
    gateway: Callable[..., Any], name: str
) -> None:
    gone = SWITCHES[name]
    async with gateway() as whole, gateway(**{name: False}) as client:
        for method, path in gone:
            answer = await client.request(method, path)
            assert answer.status_code == 404
            assert set(answer.json()) == {"detail"}
        expected = await paths(whole)
        for _, path in gone:
            expected.pop(TEMPLATES.get(path, path), None)
        assert await paths(client) == expected


async def test_without_pages_there_is_no_schema(gateway: Callable[..., Any]) -> None:
    async with gateway(api_docs=False, api_redoc=False) as client:
        assert (await client.get("/openapi.json")).status_code == 404


async def test_with_everything_off_only_health_is_left(gateway: Callable[..., Any]) -> None:
    switches = dict.fromkeys(set(SWITCHES) - {"api_redoc"}, False)
    async with gateway(**switches) as client:
        assert set(await paths(client)) == {"/healthz", "/readyz"}
