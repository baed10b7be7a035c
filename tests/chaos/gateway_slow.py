"""Row 25: many clients that send slowly or not at all, and honest ones beside them."""

import asyncio
import contextlib
from collections.abc import Callable

from tests.chaos.gateway_figures import (
    Answer,
    Figures,
    ask,
    cluster_of_its_own,
    connect,
    head,
    honest_clients,
    latencies,
    memory_mib,
    open_files,
    violations,
)
from tests.integration.app.cluster import HOST, Gateway

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def slow_clients(
    each: int = 1000, seconds: float = 40.0, read_seconds: float = 20.0
) -> Figures:
    """``each`` clients of three kinds that come again whenever they are let go."""
    with cluster_of_its_own() as cluster:
        gateway = cluster.add_gateway(REQUEST_READ_SECONDS=read_seconds)
        cluster.add_worker()
        cluster.wait_ready()
        pid = gateway.process.pid
        memory, files = memory_mib(pid), open_files(pid)
        attackers = [
            asyncio.create_task(again_and_again(attack, gateway, read_seconds))
            for attack in (slow_head, slow_body, no_handshake)
            for _ in range(each)
        ]

        async def request() -> Answer:
            return await ask(gateway, "POST", "/create/grow", b"{}")

        await asyncio.sleep(min(5.0, read_seconds / 2))
        async with honest_clients(request) as answers:
            await asyncio.sleep(seconds)
        most_files, most_memory = open_files(pid), memory_mib(pid)
        for attacker in attackers:
            attacker.cancel()
        await asyncio.gather(*attackers, return_exceptions=True)
        for _ in range(int(read_seconds * 10)):
            await asyncio.sleep(0.2)
            if open_files(pid) <= files + 5:
                break
        figures = latencies(answers)
        return Figures(
            "25", f"{each} slow heads, slow bodies and idle handshakes each",
            "honest requests p99 <= 1 s, all answered",
            {**figures, "open_files_during": most_files, "memory_mib_during": most_memory,
             "memory_mib_before": memory, "files_left": open_files(pid) - files},
            violations(
                all_honest_answered=all(a.status == 200 for a in answers),
                no_files_left=open_files(pid) <= files + 5,
            ),
            late=violations(honest_p99=figures["p99_ms"] <= 1000),
        )  # fmt: skip


async def again_and_again(attack: Callable[..., object], gateway: Gateway, seconds: float) -> None:
    while True:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            await attack(gateway, seconds)  # type: ignore[misc]
        await asyncio.sleep(0.5)


async def slow_head(gateway: Gateway, seconds: float) -> None:
    """A byte of a header now and then."""
    await dribble(await connect(gateway), b"GET /healthz HTTP/1.1\r\nX: ", seconds)


async def slow_body(gateway: Gateway, seconds: float) -> None:
    """A byte of a body now and then."""
    await dribble(await connect(gateway), head("POST", "/create/grow", 10**6) + b"{", seconds)


async def no_handshake(gateway: Gateway, seconds: float) -> None:
    """A connection without a word."""
    reader, writer = await asyncio.open_connection(HOST, gateway.port)
    try:
        await asyncio.wait_for(reader.read(), 2 * seconds)
    finally:
        writer.transport.abort()


async def dribble(streams: Streams, first: bytes, seconds: float) -> None:
    reader, writer = streams
    try:
        writer.write(first)
        while not reader.at_eof():
            await writer.drain()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reader.read(1000), seconds / 10)
            writer.write(b" ")
    finally:
        writer.transport.abort()
