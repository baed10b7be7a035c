"""What DEBUG logs of requests: everything but credentials."""

import logging
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from app.request_log import SHOWN_BODY, RequestLog
from config.logs import Event


async def echo(_scope: Scope, receive: Receive, send: Send) -> None:
    message = await receive()
    await send({"type": "http.response.start", "status": 201, "headers": []})
    await send({"type": "http.response.body", "body": message["body"]})


@pytest.fixture
async def logged(caplog: pytest.LogCaptureFixture) -> list[Any]:
    """The fields of all lines of one request."""
    caplog.set_level(logging.DEBUG, "fasttask.app")
    transport = httpx.ASGITransport(RequestLog(echo))
    async with httpx.AsyncClient(transport=transport, base_url="https://x") as client:
        headers = {"Cookie": "secret", "Proxy-Authorization": "secret"}
        content = b"\xff" + b"x" * 5000
        await client.post("/a?b=c", content=content, auth=("user", "secret"), headers=headers)
    return [(r.message, r.fields) for r in caplog.records if isinstance(r, Event)]


def test_a_request_and_its_answer_are_logged(logged: list[Any]) -> None:
    assert [name for name, _ in logged] == ["request", "request_body", "answer", "answer_body"]
    assert logged[0][1]["query"] == "b=c"
    assert logged[2][1]["status"] == 201


def test_credentials_are_masked(logged: list[Any]) -> None:
    headers = logged[0][1]["headers"]

    for name in ("authorization", "cookie", "proxy-authorization"):
        assert headers[name] == "***"
    assert "secret" not in str(logged)


def test_only_the_beginning_of_a_body_is_shown(logged: list[Any]) -> None:
    assert len(logged[1][1]["body"]) == SHOWN_BODY
