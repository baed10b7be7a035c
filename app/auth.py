"""Every request is somebody's: who may not in, or asks too much, is answered here."""

import ipaddress
from collections.abc import Awaitable

from fastapi import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.audit import AuditLog, address_of, failed_login
from app.callers import ANONYMOUS, Caller
from app.door import Door
from app.errors import ApiError, TooManyRequestsError, answer
from app.tries import Pace, Tries

# Whoever keeps the node alive must not take it for dead because others ask much.
UNLIMITED = frozenset({"/healthz", "/readyz"})


class Authentication:
    """ASGI middleware: no request gets past it without a caller in ``scope["state"]``."""

    def __init__(
        self, app: ASGIApp, door: Door, audit: AuditLog | None, requests_per_second: float
    ) -> None:
        """``requests_per_second``: of one user, or one address without users; 0 for any number."""
        self._app = app
        self._audit = audit
        self._door = door
        self._requests = _bucket(requests_per_second) if requests_per_second else None

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Identify the caller or answer 401 or 429."""
        if scope["type"] != "http":
            return self._app(scope, receive, send)
        address, authorization = network_of(address_of(scope)), _authorization(scope)
        try:
            caller = self._door.known(authorization, address)
            if caller is None:
                return self._look_first(authorization, address, scope, receive, send)
            self._let_in(caller, address, scope)
        except ApiError as error:
            return self._refusal(error, authorization, scope)(scope, receive, send)
        return self._app(scope, receive, send)

    async def _look_first(
        self, authorization: bytes | None, address: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        next_in_line = self._app
        try:
            self._let_in(await self._door.caller(authorization, address), address, scope)
        except ApiError as error:
            next_in_line = self._refusal(error, authorization, scope)
        await next_in_line(scope, receive, send)

    def _let_in(self, caller: Caller, address: str, scope: Scope) -> None:
        """Raises TooManyRequestsError if he asks for too much."""
        if self._requests is not None and scope["path"] not in UNLIMITED:
            _take(self._requests, address if caller is ANONYMOUS else caller.name)
        scope.setdefault("state", {})["caller"] = caller

    def _refusal(self, error: ApiError, authorization: bytes | None, scope: Scope) -> Response:
        # Neither who has not tried yet nor who may not try: they would fill the log.
        if self._audit and error.status == 401 and authorization is not None:
            self._audit.add(failed_login(scope, self._door.claimed(authorization)))
        return answer(error.status, str(error), error.headers)


def _bucket(requests_per_second: float) -> Tries:
    """As many at once as may come in a second, then at that pace."""
    return Tries(Pace(max(1, int(requests_per_second)), 1 / requests_per_second))


def _take(requests: Tries, key: str) -> None:
    if (seconds := requests.take(key)) > 0:
        raise TooManyRequestsError(seconds)


def _authorization(scope: Scope) -> bytes | None:
    for name, value in scope["headers"]:
        if name == b"authorization":
            return bytes(value)
    return None


def network_of(address: str) -> str:
    """Whom an address stands for: an IPv6 host has 2**64 of them to itself (RFC 4291, 2.5.1)."""
    if ":" not in address:  # IPv4, or whatever a proxy on this machine says
        return address
    try:
        whole = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if whole.ipv4_mapped is not None:  # it came by IPv4 to a socket that takes both
        return str(whole.ipv4_mapped)
    return str(ipaddress.IPv6Address(int(whole) >> 64 << 64))
