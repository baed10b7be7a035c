"""Connections to a shared listening socket are shared fairly."""

import asyncio
import socket
from collections import Counter
from collections.abc import Iterator

import pytest

from app.accepting import FairServer
from tests.waiting import eventually

CLIENTS = 20


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        yield server


def serve(listening: socket.socket, name: str, served: Counter[str]) -> FairServer:
    """A server as another process would have it; it counts its connections."""

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            served[name] += 1
            transport.close()

    return FairServer(listening.dup(), Protocol)


async def test_clients_that_come_together_are_shared(listening: socket.socket) -> None:
    clients = [socket.create_connection(listening.getsockname()) for _ in range(CLIENTS)]
    served: Counter[str] = Counter()

    servers = [serve(listening, name, served) for name in ("one", "two")]

    await eventually(lambda: served.total() == CLIENTS)
    assert min(served.values()) >= CLIENTS // 4
    for one in (*servers, *clients):
        one.close()


async def test_a_closed_server_leaves_connections_to_the_others(listening: socket.socket) -> None:
    served: Counter[str] = Counter()
    first, second = (serve(listening, name, served) for name in ("one", "two"))

    first.close()
    first.close()
    await first.wait_closed()
    assert not first.is_serving()

    with socket.create_connection(listening.getsockname()):
        await eventually(lambda: served.total() == 1)
    assert served == {"two": 1}
    second.close()
