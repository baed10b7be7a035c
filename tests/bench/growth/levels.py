"""What a call costs while ever more jobs wait, and with as many results stored."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

from redis.asyncio import Redis

from tests.bench.client import Client, Connection, Request, percentile
from tests.bench.gateway_load import check, create
from tests.bench.node import running_node
from tests.bench.own_backlog import AT_ONCE, queued
from workers.queue.broker import Broker
from workers.queue.records import ClaimedJob, State

LEVELS = (0, 1_000, 10_000, 100_000, 1_000_000)
CALLS = 200  # of each kind, one after the other, at each level
FILLED_AT_ONCE = 10_000
TASKS = ["noop"]
RESULT = b'{"number":1}'
STATUS: Request = ("GET", "/status_info", b"")


@dataclass(frozen=True, slots=True)
class Cost:
    """How long one kind of call took."""

    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Level:
    """What calls cost with so many jobs waiting and so many results stored."""

    waiting: int
    results: int
    costs: dict[str, Cost]
    bytes_per_job: float  #: the queue server's memory for each waiting job or result


async def measured(levels: Iterable[int], say: Callable[[str], None]) -> list[Level]:
    """All levels, then the last one's jobs as results.

    The worker is stopped, so that nothing but the measured calls goes on.
    """
    found, last = [], 0
    with running_node() as node:
        node.stop_worker()
        async with node.broker() as broker, node.ruled() as server:
            site = _Site(broker, server, node.client, await _memory(server))
            for level in levels:
                say(f"levels: {level:,} jobs waiting ...")
                await _fill(broker, level - last)
                last = level
                found.append(await site.level(level, 0))
            say(f"levels: {last:,} results stored ...")
            await _finish_all(broker)
            found.append(await site.level(0, last))
    return found


@dataclass(frozen=True, slots=True)
class _Site:
    """Where calls are timed."""

    broker: Broker
    server: Redis
    client: Client
    empty_bytes: int  #: the queue server's memory before the first job

    async def level(self, waiting: int, results: int) -> Level:
        """The cost of every kind of call as things stand; no job more or less waits afterwards."""
        await _settled(self.server)
        size = (await _memory(self.server) - self.empty_bytes) / max(1, waiting + results)
        return Level(waiting, results, {**await self._asked(), **await self._worked()}, size)

    async def _asked(self) -> dict[str, Cost]:
        """What a client's calls cost; the jobs that it creates wait."""
        ids: list[str] = []
        with self.client.connected(1) as [connection]:
            return {
                "create, HTTPS": await _timed(lambda n: _create(connection, n, ids)),
                "check, HTTPS": await _timed(lambda n: _ask(connection, check(ids[n]))),
                "status_info, HTTPS": await _timed(lambda _: _ask(connection, STATUS)),
            }

    async def _worked(self) -> dict[str, Cost]:
        """What a worker's calls cost; as many jobs end as were created."""
        jobs: list[ClaimedJob] = []
        return {
            "claim, by a worker": await _timed(lambda _: _claim(self.broker, jobs)),
            "finish, by a worker": await _timed(
                lambda n: self.broker.finish(jobs[n], State.SUCCESS, RESULT)
            ),
        }


async def _create(connection: Connection, number: int, ids: list[str]) -> None:
    ids.append(json.loads(connection.ask(create(number)))["id"])


async def _ask(connection: Connection, request: Request) -> None:
    connection.ask(request)


async def _claim(broker: Broker, jobs: list[ClaimedJob]) -> None:
    jobs += (await broker.claim("bench", 1, TASKS)).jobs


async def _timed(call: Callable[[int], Awaitable[Any]]) -> Cost:
    """Of CALLS calls, given their numbers."""
    milliseconds = []
    for number in range(CALLS):
        began = time.perf_counter()
        await call(number)
        milliseconds.append(1000 * (time.perf_counter() - began))
    return Cost(median(milliseconds), percentile(milliseconds, 0.99))


async def _fill(broker: Broker, count: int) -> None:
    for first in range(0, count, FILLED_AT_ONCE):
        await queued(broker, TASKS, min(FILLED_AT_ONCE, count - first))


async def _finish_all(broker: Broker) -> None:
    """Turn every waiting job into a result, as workers do."""
    while jobs := (await broker.claim("bench", AT_ONCE, TASKS)).jobs:
        await asyncio.gather(*(broker.finish(job, State.SUCCESS, RESULT) for job in jobs))


async def _settled(server: Redis) -> None:
    """Wait until the queue server has rewritten its log, which it does beside its work."""
    while True:
        about = await server.info("persistence")
        if not (about["aof_rewrite_in_progress"] or about["aof_rewrite_scheduled"]):
            return
        await asyncio.sleep(0.2)


async def _memory(server: Redis) -> int:
    return int((await server.info("memory"))["used_memory"])
