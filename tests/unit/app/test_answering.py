"""Headers of an answer in one piece, which nobody looks at but us, and answers that fail."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from app.answering import header_lines
from app.connections import Clients, Connection
from config.settings import Settings


def test_each_header_is_a_line() -> None:
    assert header_lines([(b"a", b"1"), (b"b", b"2")]) == b"a: 1\r\nb: 2\r\n"


@pytest.mark.parametrize("value", [b"1\r\nset-cookie: x", b"1\nb: 2", b"1\rb: 2", b"\n"])
def test_no_header_becomes_two(value: bytes) -> None:
    with pytest.raises(ValueError, match="line break"):
        header_lines([(b"a", value)])


async def application(scope: Scope, _receive: Receive, send: Send) -> None:
    """Fails before it answers, or while it does, or says nothing at all."""
    if scope["path"] == "/begun":
        headers = [(b"content-length", b"9")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
    if scope["path"] != "/nothing":
        raise ZeroDivisionError("secret")


@pytest.fixture
async def client(make_settings: Callable[..., Settings]) -> AsyncIterator[httpx.AsyncClient]:
    """Of a server of that application."""
    configuration = uvicorn.Config(application, log_config=None, interface="asgi3")
    configuration.load()
    server = uvicorn.Server(configuration)
    serving = await asyncio.get_running_loop().create_server(
        lambda: Connection(
            clients=Clients(make_settings()),
            config=configuration,
            server_state=server.server_state,
            app_state={},
        ),
        "127.0.0.1",
    )
    address = f"http://127.0.0.1:{serving.sockets[0].getsockname()[1]}"
    async with serving, httpx.AsyncClient(base_url=address, trust_env=False) as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/nothing"])
async def test_what_nobody_caught_is_told_in_json_and_in_the_log(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = await client.get(path)

    assert answer.status_code == 500
    assert answer.json() == {"detail": "internal error; the server's log tells more"}
    assert answer.headers["connection"] == "close"
    assert "ASGI" in caplog.text
    assert ("ZeroDivisionError" in caplog.text) is (path == "/")


async def test_an_answer_that_fails_after_it_has_begun_is_broken_off(
    client: httpx.AsyncClient,
) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get("/begun")
