"""Every error a client may see, as ``{"detail": ...}``, and the one place that answers with it."""

import json
import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, ClassVar

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.whole_answers import WholeResponse
from config.logs import event
from workers.queue.errors import (
    QueueError,
    QueueUnavailableError,
    RefusedError,
    TooManyWaitingError,
)

log = logging.getLogger("fasttask.app")

RETRY_LATER = MappingProxyType({"Retry-After": "2"})  # seconds
GONE = 499  # the client left before its answer; what logs call it
CUT_SHORT = 503  # this process ended before the answer
LAST = MappingProxyType({"Connection": "close"})  # nothing else is answered on this connection
INTERNAL_ERROR = "internal error; the server's log tells more"


class ApiError(Exception):
    """Base of the errors that are the client's to mend. The docstring is the default detail."""

    status: ClassVar[int] = 400
    headers: Mapping[str, str] = MappingProxyType({})

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail or (self.__doc__ or "").strip())


class UnauthorizedError(ApiError):
    """wrong or no credentials; send a user's name and password by HTTP Basic, or an API token"""

    status = 401
    headers = MappingProxyType({"WWW-Authenticate": 'Basic realm="FastTask"'})


class TooManyTriesError(ApiError):
    """too many wrong passwords; try again later"""

    status = 429

    def __init__(self, wait_seconds: float) -> None:
        super().__init__()
        self.headers = {"Retry-After": str(math.ceil(wait_seconds))}


class TooManyRequestsError(ApiError):
    """too many requests; send fewer, see MAX_REQUESTS_PER_SECOND"""

    status = 429

    def __init__(self, wait_seconds: float) -> None:
        super().__init__()
        self.headers = {"Retry-After": str(math.ceil(wait_seconds))}


class AdminsOnlyError(ApiError):
    """only a user with "admin": true may do this"""

    status = 403


class NotFoundError(ApiError):
    """not found"""

    status = 404


class ForbiddenFileError(ApiError):
    """this place holds files of FastTask itself or lies outside the files folder"""

    status = 403


class FileNameError(ApiError):
    """not a file name"""

    status = 400


class UnsupportedEncodingError(ApiError):
    """compressed bodies are not supported; send it without Content-Encoding"""

    status = 415


class UnwritableParamsError(ApiError):
    """the parameters are valid but cannot be said in JSON"""

    status = 422

    def __init__(self, why: str) -> None:
        super().__init__(f"{self.__doc__}: {why}")


class FormError(ApiError):
    """a multipart form with one file in its field `file` is needed"""

    status = 400


class DigestError(ApiError):
    """the file that arrived is not the one whose `sha256` was sent; send it again"""

    status = 400


class StorageFullError(ApiError):
    """the server has no room for the file; try again later"""

    status = 507


class NoWorkerError(ApiError):
    """no worker is there (yet); this node's worker.log in LOG_DIR tells more; try again later"""

    status = 503
    headers = RETRY_LATER


class JsonErrors:
    """ASGI middleware around everything: what the framework refuses as plain text becomes JSON."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on but plain refusals."""
        refusal: Message | None = None

        async def said(message: Message) -> None:
            nonlocal refusal
            if message["type"] == "http.response.start" and _is_plain_refusal(message):
                refusal = message
            elif refusal is not None:
                await _in_json(refusal, message["body"].decode())(scope, receive, send)
            else:
                await send(message)

        await self._app(scope, receive, said)


def _is_plain_refusal(start: Message) -> bool:
    types = (value for name, value in start["headers"] if name == b"content-type")
    return start["status"] >= 400 and next(types, b"").startswith(b"text/plain")


def _in_json(start: Message, text: str) -> Response:
    kept = {
        name.decode(): value.decode("latin-1")
        for name, value in start["headers"]
        if name not in (b"content-type", b"content-length")
    }
    return answer(start["status"], text or HTTPStatus(start["status"]).phrase, kept)


def answer(status: int, detail: Any, headers: Mapping[str, str] | None = None) -> Response:
    """An error as the client gets it."""
    body = orjson.dumps({"detail": detail})
    return WholeResponse(body, status, headers, media_type="application/json")


def cut_short() -> Response:
    """What is left to say to whoever waits for an answer when this process has to end."""
    text = "this server process ends; try again: jobs that it has queued go on"
    return answer(CUT_SHORT, text, {**RETRY_LATER, **LAST})


def failed() -> Response:
    """In place of an answer that the application does not give."""
    return answer(500, INTERNAL_ERROR, LAST)


def install_error_handlers(app: FastAPI) -> None:
    """Make ``app`` answer every exception as JSON."""
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, handler)


async def answer_to(request: Request, error: Exception) -> Response:
    """What FastAPI would answer to this exception."""
    handler = next(HANDLERS[kind] for kind in type(error).__mro__ if kind in HANDLERS)
    return await handler(request, error)


async def _api_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return answer(error.status, str(error), error.headers)


async def _refused(_request: Request, error: Exception) -> Response:
    return answer(422, str(error))


async def _too_many_waiting(_request: Request, error: Exception) -> Response:
    return answer(429, str(error), RETRY_LATER)


async def _queue_unavailable(request: Request, error: Exception) -> Response:
    event(log, logging.WARNING, "queue_unavailable", path=request.url.path, why=error)
    text = "the queue server does not answer; try again later"
    return answer(503, text, RETRY_LATER)


async def _invalid(_request: Request, error: Exception) -> Response:
    """FastAPI's own body for invalid input, but for inputs that cannot be sent back as JSON."""
    assert isinstance(error, RequestValidationError)
    try:
        return answer(422, jsonable_encoder(error.errors()))
    except (TypeError, ValueError, RecursionError):
        # An input that JSON has no way to show, like a lone surrogate or a giant integer.
        shown = [{k: e[k] for k in ("type", "loc", "msg")} for e in error.errors()]
        return answer(422, json.loads(json.dumps(shown, default=str).encode("utf-8", "replace")))


async def _gone(_request: Request, _error: Exception) -> Response:
    """Nobody reads it: the client left, or was let go, in the middle of its request."""
    return answer(GONE, "the request did not arrive as a whole")


async def _unexpected(request: Request, error: Exception) -> Response:
    log.error("unexpected_error path=%s", request.url.path, exc_info=error)
    return answer(500, INTERNAL_ERROR)


Handler = Callable[[Request, Exception], Awaitable[Response]]

HANDLERS: Mapping[type[Exception], Handler] = {
    ApiError: _api_error,
    RefusedError: _refused,
    TooManyWaitingError: _too_many_waiting,
    QueueUnavailableError: _queue_unavailable,
    QueueError: _unexpected,
    RequestValidationError: _invalid,
    ClientDisconnect: _gone,
    Exception: _unexpected,
}
