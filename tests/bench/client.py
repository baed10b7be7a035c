"""An HTTPS client that costs as little as one in Python can, for it shares the cores it measures.

It keeps its connections, looks at no header but the length, and lets OpenSSL read and write the
sockets itself: asyncio's streams would have each byte copied through buffers of theirs.
"""

import asyncio
import contextlib
import re
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

Request = tuple[str, str, bytes]  #: method, path, body
Item = TypeVar("Item")
Answer = TypeVar("Answer")

LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
LONGEST_ANSWER = 90.0  # seconds; a server that takes longer has failed
CHUNK = 64 * 1024  # bytes; more than a TLS record holds


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


class Connection:
    """One connection to the server, for one request at a time."""

    def __init__(self, connected: ssl.SSLSocket, host: str) -> None:
        """``connected`` is past its handshake, and does not block."""
        self._socket = connected
        self._host = host
        self._received = b""
        self._missing = 0  # bytes of the answer's body; 0 while its head is awaited
        self._answer: asyncio.Future[bytes] | None = None
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(connected.fileno(), self._read)

    async def ask(self, request: Request) -> bytes:
        """The body of the answer.

        Raises:
            RuntimeError: the answer is not 200, or there is none.
        """
        self._answer = self._loop.create_future()
        too_long = f"no answer in {LONGEST_ANSWER} s"
        alarm = self._loop.call_later(LONGEST_ANSWER, self._fail, too_long)
        try:
            self._socket.send(self._bytes_of(request))  # small: the kernel takes it as a whole
            return await self._answer
        except OSError as error:
            raise RuntimeError(f"the connection was lost: {error}") from error
        finally:
            alarm.cancel()

    def close(self) -> None:
        """Leave the server, unless it has left."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def _read(self) -> None:
        try:
            chunk = self._socket.recv(CHUNK)
        except ssl.SSLWantReadError:  # part of a record
            return
        except OSError as error:
            self._lose(str(error))
            return
        if not chunk:
            self._lose("the server has closed it")
            return
        self._received += chunk
        self._take_answer()

    def _lose(self, why: str) -> None:
        self.close()  # whoever asks next hears of it at once
        self._fail(f"the connection was lost: {why}")

    def _take_answer(self) -> None:
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
        connections = [self._connect() for _ in range(count)]
        try:
            yield connections
        finally:
            for connection in connections:
                connection.close()

    async def load(self, requests: Iterable[Request], connections: int) -> Load:
        """Send all requests, each connection its next as soon as it has its answer."""
        async with self.connected(connections) as connected:
            return await load(connected, requests)

    def _connect(self) -> Connection:
        plain = socket.create_connection((self._host, self._port), LONGEST_ANSWER)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        connected = self._context.wrap_socket(plain, server_hostname=self._host)
        connected.setblocking(False)
        return Connection(connected, self._host)


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
