"""The routes that carry the load, for plain requests: found by one look, read in one go.

FastAPI describes these routes, and serves whatever is unusual about a request: what is invalid, in
another encoding, has a header that matters. A plain one is read here by the same models, and
answered by the same endpoint. FastAPI's layers of middleware, looking at one route after the other
and resolving dependencies would take as long as all the rest, and the longer the more tasks there
are.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping

from fastapi import Request, Response
from pydantic import BaseModel
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import CUT_SHORT, answer_to
from app.strict_json import StrictRequest

JSON = b"application/json"
SAID_ONCE = frozenset({b"content-type", b"content-length"})  # in a head, or it is not plain
QUESTION = re.compile(rb"(?:result_id=([\w-]{1,256})(?:&|$))?(?:wait=(\d{1,4}(?:\.\d{1,6})?))?")

# Reads a request, and gives what will answer it; None: this is not a plain one.
Direct = Callable[[Request], Awaitable[Awaitable[Response] | None]]
Ended = Callable[[Scope, int], None]  # is told each plain request and its answer's status
DirectRoutes = dict[tuple[str, str], Direct]  # (method, path) -> who answers


class DirectRouter:
    """ASGI middleware in front of FastAPI."""

    def __init__(
        self, app: ASGIApp, routes: Mapping[tuple[str, str], Direct], ended: Ended
    ) -> None:
        """A path in ``routes`` that ends with a slash stands for all that are one part longer."""
        self._app = app
        self._routes = routes
        self._ended = ended

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer a plain request, and leave all others to FastAPI, their bodies unread."""
        direct = self._find(scope) if scope["type"] == "http" else None
        if direct is None:
            return self._app(scope, receive, send)
        return self._answer(direct, scope, receive, send)

    async def _answer(self, direct: Direct, scope: Scope, receive: Receive, send: Send) -> None:
        request = _Rereadable(scope, receive)
        try:
            answering = await direct(request)
            response = await answering if answering is not None else None
        except Exception as error:
            response = await answer_to(request, error)
        except asyncio.CancelledError:  # this process ends
            self._ended(scope, CUT_SHORT)
            raise
        if response is None:
            await self._app(scope, request.reread, send)
        else:
            self._ended(scope, response.status_code)
            await response(scope, receive, send)

    def _find(self, scope: Scope) -> Direct | None:
        method, path = scope["method"], scope["path"]
        return self._routes.get((method, path)) or self._routes.get(
            (method, path[: path.rfind("/") + 1])
        )


class _Rereadable(StrictRequest):
    """A request whose body another reader can be given."""

    async def body(self) -> bytes:
        """The whole body; a plain one has come in one piece, and the framework's way is longer.

        Raises:
            ClientDisconnect: it will not come.
        """
        if not hasattr(self, "_body"):
            pieces: list[bytes] = []
            is_whole = False
            while not is_whole:
                message = await self.receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                pieces.append(message.get("body", b""))
                is_whole = not message.get("more_body", False)
            self._body, self._stream_consumed = b"".join(pieces), True
        return self._body

    async def reread(self) -> Message:
        """ASGI's receive, with the body again if it was read."""
        if not hasattr(self, "_body"):
            return await self.receive()
        body = self._body
        del self._body
        self._stream_consumed = False
        return {"type": "http.request", "body": body, "more_body": False}


async def read_params(
    request: Request, model: type[BaseModel], most_bytes: int
) -> BaseModel | None:
    """The body of a plain request as ``model``; None if it is not a valid one."""
    if not _is_plain_json(request.scope, most_bytes):
        return None
    try:
        return model.model_validate(await request.json())
    except ValueError:
        return None


def read_question(request: Request, longest: float) -> tuple[str | None, float] | None:
    """The query's `result_id` and `wait`, None and 0 without them; None if anything is odd."""
    found = QUESTION.fullmatch(request.scope["query_string"])
    if found is None:
        return None
    job_id, wait = found.groups(default=b"")
    seconds = float(wait or 0)
    return (job_id.decode() or None, seconds) if seconds <= longest else None


def _is_plain_json(scope: Scope, most_bytes: int) -> bool:
    headers = dict(scope["headers"])
    if len(headers) < len(scope["headers"]) and _describe_a_body_twice(scope["headers"]):
        return False
    if b"content-encoding" in headers or b"idempotency-key" in headers:
        return False
    length = headers.get(b"content-length", b"")
    is_short = length.isdigit() and len(length) < 10 and int(length) <= most_bytes
    return is_short and headers.get(b"content-type", b"").partition(b";")[0] == JSON


def _describe_a_body_twice(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether it matters which of them is taken."""
    names = [name for name, _ in headers if name in SAID_ONCE]
    return len(set(names)) < len(names)
