"""Request bodies as strict JSON: no NaN, no infinite number, no broken text, exact integers."""

import json
from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic_core import from_json


class StrictRequest(Request):
    """A request whose body is read once, strictly."""

    async def json(self) -> Any:
        """The body's value.

        Raises:
            json.JSONDecodeError: it is not strict JSON; FastAPI makes a 422 of it.
        """
        if not hasattr(self, "_json"):
            self._json = read_json(await self.body())
        return self._json


class StrictRoute(APIRoute):
    """A route that reads its body as :class:`StrictRequest` does."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, given the stricter request."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            return await handler(StrictRequest(request.scope, request.receive))

        return handle


def read_json(body: bytes) -> Any:
    """The value of a strict JSON text; raises json.JSONDecodeError.

    orjson refuses everything that is not strict JSON but turns integers beyond 64 bits into
    floats; pydantic's parser keeps them exact but lets 1e400 pass as infinity. Each does its part.
    """
    orjson.loads(body)
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError as error:  # nested deeper, or an integer longer, than it takes
        raise json.JSONDecodeError(str(error), "", 0) from None
