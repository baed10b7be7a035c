"""An HTTPS client that costs as little as one in Python can: keep-alive, no parsing of headers."""

import asyncio
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

Request = tuple[str, str, bytes]  #: method, path, body


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
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Client:
    """Sends requests to one server over many connections."""

    def __init__(self, host: str, port: int, certificate: Path) -> None:
        self._host, self._port = host, port
        self._context = ssl.create_default_context(cafile=str(certificate))

    async def load(self, requests: Iterable[Request], connections: int) -> Load:
        """Send all requests, each connection its next as soon as it has its answer."""
        bodies: list[bytes] = []
        latencies: list[float] = []
        pending = iter(requests)

        async def one_connection() -> None:
            reader, writer = await asyncio.open_connection(
                self._host, self._port, ssl=self._context
            )
            while request := next(pending, None):
                began = time.perf_counter()
                writer.write(self._bytes_of(request))
                bodies.append(await _answer(reader))
                latencies.append(time.perf_counter() - began)
            writer.close()

        began = time.perf_counter()
        await asyncio.gather(*(one_connection() for _ in range(connections)))
        return Load(bodies, latencies, time.perf_counter() - began)

    def _bytes_of(self, request: Request) -> bytes:
        method, path, body = request
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return head.encode() + b"\r\n" + body


async def _answer(reader: asyncio.StreamReader) -> bytes:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if not head.startswith(b"http/1.1 200"):
        raise RuntimeError(head.decode())
    length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
    return await reader.readexactly(length)


def repeated(make: Callable[[int], Request], count: int) -> Iterable[Request]:
    """``count`` requests, made from their numbers."""
    return islice(map(make, range(count)), count)
