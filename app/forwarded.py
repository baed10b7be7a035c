"""Requests that came through a proxy on this machine: whom they come from, the proxy tells."""

from collections.abc import Awaitable

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

FORWARDED = frozenset({b"x-forwarded-for", b"x-forwarded-proto"})


class ForwardedHeaders:
    """uvicorn's middleware, which the requests that no proxy has passed on go round.

    It would be one more coroutine of each, to be gone through at each step until the answer.
    """

    def __init__(self, app: ASGIApp, trusted_hosts: list[str] | str) -> None:
        """``trusted_hosts``: the proxies' addresses; see uvicorn's --forwarded-allow-ips."""
        self._app = app
        self._told = ProxyHeadersMiddleware(app, trusted_hosts)  # type: ignore[arg-type]

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass everything on, with the client and the scheme that the proxy tells."""
        if scope["type"] != "http" or FORWARDED.isdisjoint(name for name, _ in scope["headers"]):
            return self._app(scope, receive, send)
        return self._told(scope, receive, send)  # type: ignore[arg-type]
