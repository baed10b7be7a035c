"""A method that a path does not have: the answer names those that it has, all of them."""

from collections.abc import Iterator

from fastapi import FastAPI, Request, Response
from fastapi.routing import iter_route_contexts
from starlette.routing import Match

from app.errors import answer

OF_FILES = frozenset({"GET", "HEAD"})  # of the only part that is no route of ours


def install_allowed_methods(app: FastAPI) -> None:
    """Have ``app`` list the methods of all routes of a path.

    The framework knows those of one route, and a path may have a route for each method.
    """
    app.add_exception_handler(405, _not_allowed)


async def _not_allowed(request: Request, _error: Exception) -> Response:
    methods = set(_methods(request)) or OF_FILES
    return answer(405, "Method Not Allowed", {"Allow": ", ".join(sorted(methods))})


def _methods(request: Request) -> Iterator[str]:
    for context in iter_route_contexts(request.app.routes):
        if context.original_route.matches(request.scope)[0] is not Match.NONE:
            yield from getattr(context.original_route, "methods", ())
