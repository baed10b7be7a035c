"""Request bodies as strict JSON: no NaN, no infinite number, no broken text, exact integers."""

import json
import re
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic_core import from_json

from app.errors import UnsupportedEncodingError
from app.json_size import outline, refuse_more_values
from config.setting_groups.request_limits import DEEPEST_JSON

ESCAPED_COLON = re.compile(rb"\\u003a", re.IGNORECASE)


class StrictRequest(Request):
    """A request whose body is read once, strictly."""

    async def json(self) -> Any:
        """The body's value.

        Raises:
            json.JSONDecodeError: it is not strict JSON; FastAPI makes a 422 of it.
        """
        if not hasattr(self, "_json"):
            body, settings = await self.body(), self.scope["state"]["services"].settings
            refuse_more_values(body, settings.max_params_values)
            self._json = read_json(body)
            _refuse_deeper(self._json, settings.max_params_depth)
        return self._json


class StrictRoute(APIRoute):
    """A route that reads its body as :class:`StrictRequest` does."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, given the stricter request."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            refuse_encoded(request)
            return await handler(StrictRequest(request.scope, request.receive))

        return handle


def read_json(body: bytes) -> Any:
    """The value of a strict JSON text; raises json.JSONDecodeError.

    orjson refuses everything that is not strict JSON but turns integers beyond 64 bits into
    floats; pydantic's parser keeps them exact but lets 1e400 pass as infinity. Each does its part.
    """
    value = orjson.loads(body)
    try:
        # Within a list: the stored job is one level deeper, and its reader takes no more levels.
        exact = from_json(b"[%b]" % body, allow_inf_nan=False)[0]
    except ValueError as error:  # nested deeper, or an integer longer, than it takes
        raise json.JSONDecodeError(str(error), "", 0) from None
    if _has_a_name_twice(body, value):
        raise json.JSONDecodeError("an object has the same name twice", "", 0)
    return exact


def _refuse_deeper(value: Any, levels: int) -> None:
    """Raises json.JSONDecodeError if lists and objects stand in each other deeper than that."""
    if levels >= DEEPEST_JSON:  # as deep as can be read
        return
    layer = [value]
    for _ in range(levels):
        layer = [inner for one in layer for inner in _inside(one)]
        if not layer:
            return
    if any(isinstance(one, dict | list) for one in layer):
        raise json.JSONDecodeError(f"nested deeper than {levels} levels", "", 0)


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def refuse_encoded(request: Request) -> None:
    """Refuse a compressed body unread: a small one may unpack to any size.

    Raises:
        UnsupportedEncodingError: the request has a Content-Encoding.
    """
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedEncodingError


def _has_a_name_twice(body: bytes, value: Any) -> bool:
    """Whether some of the names in ``body`` are missing in ``value``, which was read from it.

    A name is followed by a colon. All other colons are in texts, which do not change on the way
    unless one was written as an escape; then the texts are left out.
    """
    again = orjson.dumps(value)
    if b"\\" in body and ESCAPED_COLON.search(body):
        body, again = outline(body), outline(again)
    return body.count(b":") != again.count(b":")
