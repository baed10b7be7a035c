"""Plain requests are answered directly; all others reach FastAPI as they came."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest
from fastapi import Request, Response
from pydantic import BaseModel
from starlette.types import Message, Receive, Scope, Send

from app.direct import DirectRouter, read_params, read_question
from workers.queue.errors import QueueUnavailableError

JSON = (b"content-type", b"application/json")
MOST_BYTES = 40
ONE = b'{"number": 1}'


class Params(BaseModel):
    number: int


class Services:
    """As much of the gateway's services as reading a body needs."""

    class settings:
        max_params_depth = 200
        max_params_values = 100


async def fastapi(scope: Scope, receive: Receive, send: Send) -> None:
    """Stands for FastAPI: tells what body it got."""
    await Response(b"fastapi " + await Request(scope, receive).body())(scope, receive, send)


async def direct(request: Request) -> Awaitable[Response] | None:
    params = await read_params(request, Params, MOST_BYTES)
    return endpoint(request, params) if isinstance(params, Params) else None


async def endpoint(request: Request, params: Params) -> Response:
    if "x-fail" in request.headers:
        raise QueueUnavailableError("away")
    return Response(f"direct {params.number}")


def with_length(body: bytes, *headers: tuple[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    return [(b"content-length", b"%d" % len(body)), *headers]


ended: list[int] = []  # the statuses that the router has told


@pytest.fixture(autouse=True)
def nothing_has_ended() -> None:
    ended.clear()


async def answer(path: str, body: bytes, headers: list[tuple[bytes, bytes]]) -> str:
    routes = {("POST", "/run/it"): direct, ("POST", "/by/"): direct}
    router = DirectRouter(fastapi, routes, lambda _scope, status: ended.append(status))
    pieces: list[Message] = [
        {"type": "http.request", "body": body[:5], "more_body": True},
        {"type": "http.request", "body": body[5:], "more_body": False},
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return pieces.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    state: dict[str, Any] = {"services": Services}
    scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "state": state}
    await router(scope, receive, send)
    return str(sent[1]["body"].decode())


@pytest.mark.parametrize("path", ["/run/it", "/by/any-id"])
@pytest.mark.parametrize("kind", [b"application/json", b"application/json; charset=utf-8"])
async def test_a_plain_request_is_answered_directly(path: str, kind: bytes) -> None:
    headers = with_length(ONE, (b"content-type", kind))
    assert await answer(path, ONE, headers) == "direct 1"
    assert ended == [200]


async def test_so_is_one_with_other_headers_again_and_again() -> None:
    headers = with_length(ONE, JSON, (b"via", b"1.1 a"), (b"via", b"1.1 b"), (b"via", b"1.1 c"))
    assert await answer("/run/it", ONE, headers) == "direct 1"


@pytest.mark.parametrize("path", ["/run/it/", "/run/other", "/by/a/b", "/by", "/"])
async def test_other_paths_are_not(path: str) -> None:
    assert (await answer(path, ONE, with_length(ONE, JSON))).startswith("fastapi")


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b'{"number": "x"}', [JSON]),
        (b'{"number": 1', [JSON]),
        (b'{"number": NaN}', [JSON]),
        (b"", [JSON]),
        (b'{"number": 1}', []),
        (b'{"number": 1}', [(b"content-type", b"text/plain")]),
        (b'{"number": 1}', [(b"content-type", b"text/plain"), JSON]),
        (b'{"number": 1}', [JSON, JSON]),
        (b'{"number": 1}', [JSON, (b"content-length", b"13")]),
        (b'{"number": 1}', [JSON, (b"content-encoding", b"gzip")]),
        (b'{"number": 1}', [JSON, (b"idempotency-key", b"k")]),
    ],
)
async def test_what_is_unusual_reaches_fastapi_whole(
    body: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    answered = await answer("/run/it", body, with_length(body, *headers))
    assert answered == f"fastapi {body.decode()}"
    assert ended == []


@pytest.mark.parametrize("length", [[], [(b"content-length", b"41")], [(b"content-length", b"x")]])
async def test_so_does_a_body_that_is_long_or_of_any_length(
    length: list[tuple[bytes, bytes]],
) -> None:
    assert (await answer("/run/it", ONE, [JSON, *length])).startswith("fastapi")


async def test_what_goes_wrong_is_answered_as_fastapi_would() -> None:
    headers = with_length(ONE, JSON, (b"x-fail", b"queue"))
    assert await answer("/run/it", ONE, headers) == (
        '{"detail":"the queue server does not answer; try again later"}'
    )
    assert ended == [503]


async def test_that_a_request_was_cut_short_is_told_too() -> None:
    begun = asyncio.Event()

    async def lasting(_request: Request) -> Awaitable[Response]:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def nothing(*_: Any) -> Any:
        raise AssertionError

    routes = {("GET", "/"): lasting}
    router = DirectRouter(fastapi, routes, lambda _scope, status: ended.append(status))
    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    answering = asyncio.ensure_future(router(scope, nothing, nothing))
    await begun.wait()
    answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering

    assert ended == [503]


@pytest.mark.parametrize(
    ("query", "question"),
    [
        (b"", (None, 0.0)),
        (b"wait=30", (None, 30.0)),
        (b"wait=0.5", (None, 0.5)),
        (b"wait=3600", (None, 3600.0)),
        (b"result_id=a-1_B", ("a-1_B", 0.0)),
        (b"result_id=x&", ("x", 0.0)),
        (b"result_id=x&wait=2", ("x", 2.0)),
        (b"result_id=" + b"x" * 256, ("x" * 256, 0.0)),
        (b"result_id=" + b"x" * 257, None),
        (b"wait=0.5&result_id=x", None),
        (b"result_id=xwait=2", None),
        (b"result_id=a%20b", None),
        (b"result_id=a+b", None),
        (b"result_id=\xff", None),
        (b"result_id=", None),
        (b"result_id=x&result_id=y", None),
        (b"wait=3601", None),
        (b"wait=nan", None),
        (b"wait=-1", None),
        (b"wait=1_0", None),
        (b"wait=1\n", None),
        (b"wait=", None),
        (b"wait=1&wait=2", None),
        (b"wait=1&more=2", None),
        (b"more=2", None),
    ],
)
def test_a_question_is_read_or_left_to_fastapi(
    query: bytes, question: tuple[str | None, float] | None
) -> None:
    request = Request({"type": "http", "query_string": query})

    assert read_question(request, 3600) == question
