"""What the scenarios of the gateway share: the figures they return, and a raw HTTPS client."""

import asyncio
import contextlib
import math
import resource
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from tests.integration.app.cluster import HOST, Certificate, Cluster, Gateway

TASKS = Path(__file__).parent / "gateway_tasks"
LONGEST_ANSWER = 30.0  # seconds; no answer within it counts as a hang
OPEN_FILES = 65_536


@dataclass(frozen=True, slots=True)
class Figures:
    """What one scenario measured, and which of its bounds did not hold.

    Those of time are kept apart: a busy machine breaks them too, so only `make chaos`, which has
    the machine to itself, judges by them; every run of the tests judges by the others.
    """

    fault: str  #: the number in the list of faults
    name: str
    bound: str  #: what must hold, in words
    numbers: Mapping[str, float]
    violations: tuple[str, ...] = ()
    late: tuple[str, ...] = ()  #: the bounds of time among them, see above


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it came; ``status`` 0 if there was none."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float

    @property
    def json(self) -> Any:
        """The body's value; None if it is no JSON."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None


def violations(**held: bool) -> tuple[str, ...]:
    """The names of those bounds that did not hold."""
    return tuple(name.replace("_", " ") for name, fine in held.items() if not fine)


def percentile(values: Sequence[float], percent: float) -> float:
    """By nearest rank; NaN of nothing."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(len(ranked) * percent / 100) - 1)] if ranked else math.nan


@contextlib.contextmanager
def cluster_of_its_own() -> Iterator[Cluster]:
    """An empty cluster with the task `grow`, and file descriptors for many connections."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))
    try:
        with (
            TemporaryDirectory() as folder,
            Cluster(Certificate(Path(folder)), TASKS) as cluster,
        ):
            yield cluster
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def connect(
    gateway: Gateway, address: str = "127.0.0.1"
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A TLS connection from a loopback address."""
    return await asyncio.open_connection(
        HOST, gateway.port, ssl=gateway.context, server_hostname=HOST, local_addr=(address, 0)
    )


async def ask(
    gateway: Gateway, method: str, path: str, body: bytes = b"", address: str = "127.0.0.1",
    **headers: str,
) -> Answer:  # fmt: skip
    """One request on a connection of its own."""
    began = time.monotonic()
    writer = None
    try:
        async with asyncio.timeout(LONGEST_ANSWER):
            reader, writer = await connect(gateway, address)
            writer.write(head(method, path, len(body), **headers) + body)
            return await read_answer(reader, began)
    except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError):
        return Answer(0, {}, b"", time.monotonic() - began)
    finally:
        if writer is not None:
            writer.transport.abort()


def head(method: str, path: str, length: int, **headers: str) -> bytes:
    """The head of a request; underscores in the names of headers stand for hyphens."""
    given = {"Host": "x", "Content-Length": str(length), "Content-Type": "application/json"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode()


async def read_answer(reader: asyncio.StreamReader, began: float) -> Answer:
    """An answer with a Content-Length."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {
        name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])
    }
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Answer(int(lines[0].split(" ")[1]), headers, body, time.monotonic() - began)


async def create(gateway: Gateway, **params: Any) -> Answer:
    """Create a job of the task `grow`."""
    return await ask(gateway, "POST", "/create/grow", orjson.dumps(params))


async def ended(gateway: Gateway, job_id: str, within: float = LONGEST_ANSWER) -> Any:
    """A job's record when it has ended, or as it is after a while."""
    deadline = time.monotonic() + within
    while True:
        left = max(0.0, min(20.0, deadline - time.monotonic()))
        answer = await ask(gateway, "GET", f"/check/{job_id}?wait={left:.3f}")
        record = answer.json or {}
        if record.get("state") in ("SUCCESS", "FAILURE", "REVOKED") or left == 0:
            return record
        await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def honest_clients(
    request: Callable[[], Any], each_seconds: float = 0.02
) -> AsyncIterator[list[Answer]]:
    """Honest requests beside whatever the block does; their answers."""
    answers: list[Answer] = []

    async def go_on() -> None:
        while True:
            answers.append(await request())
            await asyncio.sleep(each_seconds)

    going = [asyncio.create_task(go_on()) for _ in range(4)]
    try:
        yield answers
    finally:
        for one in going:
            one.cancel()
        await asyncio.gather(*going, return_exceptions=True)


def latencies(answers: Sequence[Answer]) -> dict[str, float]:
    """How long the answers took."""
    seconds = [answer.seconds for answer in answers]
    return {
        "requests": len(seconds),
        "p50_ms": percentile(seconds, 50) * 1000,
        "p99_ms": percentile(seconds, 99) * 1000,
        "max_ms": max(seconds, default=math.nan) * 1000,
    }


def memory_mib(pid: int) -> float:
    """The resident memory of a process."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) / 1024


def open_files(pid: int) -> int:
    """How many file descriptors a process has."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
