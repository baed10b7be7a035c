"""An HTTPS client that costs as little as one in Python can: keep-alive, no parsing of headers."""

import asyncio
import contextlib
import re
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

Request = tuple[str, str, bytes]  #: method, path, body
Item = TypeVar("Item")
Answer = TypeVar("Answer")

LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
LONGEST_ANSWER = 90.0  # seconds; a server that takes longer has failed


@dataclass(frozen=True, slots=True)
class Load:
    """What a load brought: answers in no particular order, seconds each took and took together."""

    bodies: list[bytes]
    latencies: list[float]
    seconds: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """The latency in ms that ``share`` (0 to 1) of the requests stayed below."""
        return 1000 * percentile(self.latencies, share)


class Connection(asyncio.Protocol):
    """One connection to the server, for one request at a time."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._missing = 0  # bytes of the answer's body; 0 while its head is awaited
        self._answer: asyncio.Future[bytes] | None = None

    async def ask(self, request: Request) -> bytes:
        """The body of the answer.

        Raises:
            RuntimeError: the answer is not 200, or there is none.
        """
        if self._transport is None or self._transport.is_closing():
            raise RuntimeError("the server has closed the connection")
        loop = asyncio.get_running_loop()
        self._answer = loop.create_future()
        self._transport.write(self._bytes_of(request))
        alarm = loop.call_later(LONGEST_ANSWER, self._fail, f"no answer in {LONGEST_ANSWER} s")
        try:
            return await self._answer
        finally:
            alarm.cancel()

    def close(self) -> None:
        """Leave the server."""
        assert self._transport is not None
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of asyncio's protocol."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of asyncio's protocol."""
        self._fail(f"the connection was lost: {exc}")

    def data_received(self, data: bytes) -> None:
        """Part of asyncio's protocol."""
        self._received += data
        if not self._missing and not self._take_head():
            return
        if len(self._received) < self._missing:
            return
        body, self._received = self._received[: self._missing], self._received[self._missing :]
        self._missing = 0
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(body)

    def _take_head(self) -> bool:
        """Read the answer's head; False if it is not all there or not a good one."""
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return False
        if not head.startswith(b"HTTP/1.1 200"):
            self._fail(self._received.decode(errors="replace"))
            return False
        self._missing = int(LENGTH.search(head)[1])  # type: ignore[index]  # all servers say it
        self._received = rest
        return True

    def _fail(self, why: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(RuntimeError(why))

    def _bytes_of(self, request: Request) -> bytes:
        method, path, body = request
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return head.encode() + b"\r\n" + body


class Client:
    """Sends requests to one server over many connections."""

    def __init__(self, host: str, port: int, certificate: Path) -> None:
        self._host, self._port = host, port
        self._context = ssl.create_default_context(cafile=str(certificate))

    @contextlib.asynccontextmanager
    async def connected(self, count: int) -> AsyncIterator[list[Connection]]:
        """Connections to the server, all of them past their TLS handshake."""
        connections = [await self._connect() for _ in range(count)]
        try:
            yield connections
        finally:
            for connection in connections:
                connection.close()

    async def load(self, requests: Iterable[Request], connections: int) -> Load:
        """Send all requests, each connection its next as soon as it has its answer."""
        async with self.connected(connections) as connected:
            return await load(connected, requests)

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: Connection(self._host), self._host, self._port, ssl=self._context
        )
        return connection


async def load(connections: Sequence[Connection], requests: Iterable[Request]) -> Load:
    """Send all requests, each connection its next as soon as it has its answer."""
    latencies: list[float] = []

    async def timed(connection: Connection, request: Request) -> bytes:
        began = time.perf_counter()
        body = await connection.ask(request)
        latencies.append(time.perf_counter() - began)
        return body

    began = time.perf_counter()
    bodies = await spread(connections, requests, timed)
    return Load(bodies, latencies, time.perf_counter() - began)


async def spread(
    connections: Sequence[Connection],
    items: Iterable[Item],
    do: Callable[[Connection, Item], Awaitable[Answer]],
) -> list[Answer]:
    """Do something with every item, one after the other on each connection."""
    answers: list[Answer] = []
    pending = iter(items)

    async def one_after_the_other(connection: Connection) -> None:
        for item in pending:
            answers.append(await do(connection, item))

    await asyncio.gather(*(one_after_the_other(connection) for connection in connections))
    return answers


def percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` (0 to 1) of ``values`` stay below."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
