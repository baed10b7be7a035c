"""streaQ with two worker processes, tasks as coroutines in their event loops."""

import asyncio
from importlib.metadata import version
from typing import Any

from streaq import Worker

from tests.bench.peers.address import URL
from tests.bench.peers.peer import Peer

RESULT_SECONDS = 259_200  # as long as FastTask keeps its results
AT_ONCE = 100

PEER = Peer(
    name="streaQ",
    version=version("streaq"),
    worker=("streaq", "run", "tests.bench.peers.streaq:worker", "--workers", "2"),
    runs_in="the event loop of 2 processes, 16 at once in each",
    acknowledges="after the result; a killed worker's jobs are run again after a minute",
    remaining="return ARGV[1] - redis.call('ZCARD', 'streaq:default:index:results')",
)

worker: Any = Worker(redis_url=URL)


@worker.task(ttl=RESULT_SECONDS, silent=True)  # type: ignore[untyped-decorator]
async def noop(number: int) -> dict[str, int]:
    """Nothing but the way there and back."""
    return {"number": number}


def enqueue(count: int) -> list[str]:
    """Queue ``count`` jobs; their ids."""
    return asyncio.run(_enqueue(count))


async def _enqueue(count: int) -> list[str]:
    ids: list[str] = []
    async with worker:
        for first in range(0, count, AT_ONCE):
            jobs = [noop.enqueue(n) for n in range(first, min(first + AT_ONCE, count))]
            await worker.enqueue_many(jobs)
            ids += [job.id for job in jobs]
    return ids


def read(ids: list[str]) -> list[Any]:
    """The results of jobs."""
    return asyncio.run(_read(ids))


async def _read(ids: list[str]) -> list[Any]:
    async with worker:
        return [await _stored(job_id) for job_id in ids]


async def _stored(job_id: str) -> Any:
    # As its own result_by_id reads it, without subscribing first, which takes a tenth of a second.
    raw = await worker.redis.get(worker.results_key + job_id)
    return (await worker.deserialize(raw))["r"] if raw else None
