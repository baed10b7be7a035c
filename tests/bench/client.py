"""An HTTPS client that costs as little as one in Python can, for it shares the cores it measures.

It keeps its connections, looks at no header but the length, and lets OpenSSL read and write the
sockets itself. Each connection follows a script, a generator that is resumed when its answer is
there: an event loop with a future and a task for each request would cost as much again.
"""

import contextlib
import heapq
import re
import select
import socket
import ssl
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, NoReturn, TypeVar

Request = tuple[str, str, bytes]  #: method, path, body
Item = TypeVar("Item")
Answer = TypeVar("Answer")
# It yields requests, for which it is sent the bodies of the answers, or seconds to rest.
Script = Generator[Request | float, bytes, Answer]

LENGTH = re.compile(rb"\r\n(?i:content-length): (\d+)")  # beginning so, it is found thrice as fast
LONGEST_ANSWER = 90.0  # seconds; a server that takes longer has failed
RECORD = 16 * 1024  # bytes; OpenSSL reads no more than one of TLS at once


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


class Connection:
    """One connection to the server, for one request at a time."""

    def __init__(self, connected: ssl.SSLSocket, host: str) -> None:
        """``connected`` is past its handshake, and does not block."""
        self._socket = connected
        self._host = host
        self._received = b""
        self._missing = 0  # bytes of the answer's body; 0 while its head is awaited

    def ask(self, request: Request) -> bytes:
        """The body of the answer.

        Raises:
            RuntimeError: the answer is not 200, or there is none.
        """
        return follow([self], [asking(request)])[0]

    def fileno(self) -> int:
        """Its socket, for who waits for its answer."""
        return self._socket.fileno()

    def send(self, request: Request) -> None:
        """Ask; raises RuntimeError if the connection is lost."""
        method, path, body = request
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        try:
            self._socket.write(head.encode() + b"\r\n" + body)  # small: it goes as a whole
        except OSError as error:
            raise _lost(error) from error

    def read(self) -> bytes | None:
        """The body of the answer; None as long as it is not all there.

        Raises:
            RuntimeError: the answer is not 200, or the connection is lost.
        """
        try:
            self._received += self._socket.read(RECORD) or _closed()
        except ssl.SSLWantReadError:  # part of a record
            return None
        except OSError as error:
            raise _lost(error) from error
        if not self._missing:
            self._take_head()
        if not self._missing or len(self._received) < self._missing:
            return None
        body, self._received = self._received[: self._missing], self._received[self._missing :]
        self._missing = 0
        return body

    def close(self) -> None:
        """Leave the server."""
        self._socket.close()

    def _take_head(self) -> None:
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(self._received.decode(errors="replace"))
        self._missing = int(LENGTH.search(head)[1])  # type: ignore[index]  # all servers say it
        self._received = rest


class Client:
    """Sends requests to one server over many connections."""

    def __init__(self, host: str, port: int, certificate: Path) -> None:
        self._host, self._port = host, port
        self._context = ssl.create_default_context(cafile=str(certificate))

    @contextlib.contextmanager
    def connected(self, count: int) -> Iterator[list[Connection]]:
        """Connections to the server, all of them past their TLS handshake."""
        connections = [self._connect() for _ in range(count)]
        try:
            yield connections
        finally:
            for connection in connections:
                connection.close()

    def load(self, requests: Iterable[Request], connections: int) -> Load:
        """Send all requests, each connection its next as soon as it has its answer."""
        with self.connected(connections) as connected:
            return load(connected, requests)

    def _connect(self) -> Connection:
        plain = socket.create_connection((self._host, self._port), LONGEST_ANSWER)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        connected = self._context.wrap_socket(plain, server_hostname=self._host)
        connected.setblocking(False)
        return Connection(connected, self._host)


def load(connections: Sequence[Connection], requests: Iterable[Request]) -> Load:
    """Send all requests, each connection its next as soon as it has its answer."""
    latencies: list[float] = []

    def timed(request: Request) -> Script[bytes]:
        began = time.perf_counter()
        body = yield request
        latencies.append(time.perf_counter() - began)
        return body

    began = time.perf_counter()
    bodies = spread(connections, requests, timed)
    return Load(bodies, latencies, time.perf_counter() - began)


def spread(
    connections: Sequence[Connection],
    items: Iterable[Item],
    do: Callable[[Item], Script[Answer]],
) -> list[Answer]:
    """Do something with every item, one after the other on each connection."""
    answers: list[Answer] = []
    pending = iter(items)

    def one_after_the_other() -> Script[None]:
        for item in pending:
            answers.append((yield from do(item)))

    follow(connections, [one_after_the_other() for _ in connections])
    return answers


def follow(connections: Sequence[Connection], scripts: Sequence[Script[Answer]]) -> list[Answer]:
    """Have each connection follow a script to its end; what they return, in no particular order.

    Raises:
        RuntimeError: an answer is not 200 or does not come, or a connection is lost.
    """
    with select.epoll() as poll:
        return _Play(poll, connections, scripts).answers()


class _Play(Generic[Answer]):
    """Connections that follow their scripts. They go by the numbers of their sockets."""

    def __init__(
        self, poll: select.epoll, connections: Sequence[Connection],
        scripts: Sequence[Script[Answer]],
    ) -> None:  # fmt: skip
        self._poll = poll
        self._playing = {c.fileno(): (c, s) for c, s in zip(connections, scripts, strict=True)}
        self._resting: list[tuple[float, int]] = []  # until when, and who: a heap
        self._answers: list[Answer] = []

    def answers(self) -> list[Answer]:
        """What the scripts return, when all have ended."""
        for number in list(self._playing):
            self._poll.register(number, select.EPOLLIN)
            self._resume(number, None)
        while self._playing:
            for number in self._ready():
                body = self._playing[number][0].read()
                if body is not None:
                    self._resume(number, body)
        return self._answers

    def _ready(self) -> list[int]:
        """Those for whom something has come."""
        now = time.monotonic()
        while self._resting and self._resting[0][0] <= now:
            self._resume(heapq.heappop(self._resting)[1], None)
        until = self._resting[0][0] if self._resting else now + LONGEST_ANSWER
        events = self._poll.poll(until - now)
        if not events and not self._resting and self._playing:
            raise RuntimeError(f"no answer in {LONGEST_ANSWER} s")
        return [number for number, _ in events]

    def _resume(self, number: int, body: bytes | None) -> None:
        connection, script = self._playing[number]
        try:
            wanted = script.send(body)  # type: ignore[arg-type]  # None to begin, or after a rest
        except StopIteration as ended:
            self._answers.append(ended.value)
            self._poll.unregister(number)
            del self._playing[number]
            return
        if isinstance(wanted, tuple):
            connection.send(wanted)
        else:
            heapq.heappush(self._resting, (time.monotonic() + wanted, number))


def asking(request: Request) -> Script[bytes]:
    """The body of the answer to one request."""
    return (yield request)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` (0 to 1) of ``values`` stay below."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _closed() -> NoReturn:
    raise RuntimeError("the connection was lost: the server has closed it")


def _lost(error: OSError) -> RuntimeError:
    return RuntimeError(f"the connection was lost: {error}")
