"""Whom a request comes from, a proxy may tell that is trusted, and nobody else."""

from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from app.forwarded import ForwardedHeaders

PROXY = "127.0.0.1"


async def passed_on(client: str, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    """The scope that an application gets of a request."""
    scopes: list[Scope] = []

    async def application(scope: Scope, _receive: Receive, _send: Send) -> None:
        scopes.append(scope)

    async def nothing(*_: Any) -> Any:
        raise AssertionError

    scope = {"type": "http", "scheme": "https", "client": (client, 5), "headers": list(headers)}
    await ForwardedHeaders(application, PROXY)(scope, nothing, nothing)
    return dict(scopes[0])


async def test_a_request_of_nobody_else_is_the_clients_own() -> None:
    scope = await passed_on(PROXY, (b"host", b"x"))

    assert scope["client"] == (PROXY, 5)
    assert scope["scheme"] == "https"


@pytest.mark.parametrize(("client", "shown"), [(PROXY, "192.0.2.7"), ("192.0.2.1", "192.0.2.1")])
async def test_a_trusted_proxy_tells_the_client(client: str, shown: str) -> None:
    scope = await passed_on(client, (b"x-forwarded-for", b"192.0.2.7"))

    assert scope["client"][0] == shown


async def test_a_trusted_proxy_tells_the_scheme() -> None:
    assert (await passed_on(PROXY, (b"x-forwarded-proto", b"http")))["scheme"] == "http"
