"""Errors as clients get them: JSON, whatever they are made of."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Response
from starlette.types import ASGIApp

from app.errors import ApiError, JsonErrors, UnauthorizedError, install_error_handlers
from workers.queue.errors import QueueError, QueueFullError, QueueUnavailableError


async def get(app: ASGIApp) -> httpx.Response:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://x") as client:
        return await client.get("/")


def app_that_raises(error: Exception) -> FastAPI:
    app = FastAPI()
    install_error_handlers(app)

    @app.get("/")
    async def fail() -> None:
        raise error

    return app


@pytest.mark.parametrize(
    ("error", "status", "headers"),
    [
        (ApiError("why"), 400, {}),
        (UnauthorizedError("why"), 401, {"www-authenticate": 'Basic realm="FastTask"'}),
        (QueueUnavailableError("secret"), 503, {"retry-after": "2"}),
        (QueueFullError("secret"), 503, {"retry-after": "2"}),
        (QueueError("secret"), 500, {}),
        (ZeroDivisionError("secret"), 500, {}),
    ],
    ids=repr,
)
async def test_an_error_is_answered_in_json_without_the_servers_affairs(
    error: Exception, status: int, headers: dict[str, str]
) -> None:
    answer = await get(app_that_raises(error))

    assert answer.status_code == status
    assert set(answer.json()) == {"detail"}
    assert "secret" not in answer.text
    assert headers.items() <= dict(answer.headers).items()


@pytest.mark.parametrize(
    ("status", "body", "kind", "expected"),
    [
        (413, "too much", "text/plain", {"detail": "too much"}),
        (416, "", "text/plain; charset=utf-8", {"detail": "Requested Range Not Satisfiable"}),
        (422, '{"detail":"as it is"}', "application/json", {"detail": "as it is"}),
        (200, "1", "text/plain", 1),
        (404, "1", "text/html", 1),
    ],
)
async def test_a_refusal_in_plain_text_becomes_json_and_nothing_else_does(
    status: int, body: str, kind: str, expected: Any
) -> None:
    plain = Response(body, status, {"Content-Range": "bytes */1"}, media_type=kind)
    answer = await get(JsonErrors(plain))

    assert answer.status_code == status
    assert answer.json() == expected
    assert answer.headers["content-range"] == "bytes */1"
