"""saq with two worker processes, tasks as coroutines in their event loops."""

import asyncio
from importlib.metadata import version
from typing import Any

from saq.queue.redis import RedisQueue

from tests.bench.peers.address import URL
from tests.bench.peers.peer import Peer

RESULT_SECONDS = 259_200  # as long as FastTask keeps its results
AT_ONCE = 100

PEER = Peer(
    name="saq",
    version=version("saq"),
    worker=("saq", "tests.bench.peers.saq.settings", "--workers", "2", "--quiet"),
    runs_in="the event loop of 2 processes, 10 at once in each",
    acknowledges="after the result; a killed worker's jobs end as aborted unless given more tries",
    remaining="return redis.call('ZCARD', 'saq:default:incomplete')",
)


async def noop(_context: dict[str, Any], *, number: int) -> dict[str, int]:
    """Nothing but the way there and back."""
    return {"number": number}


def _queue() -> Any:
    return RedisQueue.from_url(URL)


settings = {"queue": _queue(), "functions": [noop], "concurrency": 10}


def enqueue(count: int) -> list[str]:
    """Queue ``count`` jobs; their ids."""
    return asyncio.run(_enqueue(count))


async def _enqueue(count: int) -> list[str]:
    queue, ids = _queue(), []
    for first in range(0, count, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, count))
        jobs = await asyncio.gather(
            *(queue.enqueue("noop", number=n, ttl=RESULT_SECONDS) for n in numbers)
        )
        ids += [job.key for job in jobs]
    await queue.disconnect()
    return ids


def read(ids: list[str]) -> list[Any]:
    """The results of jobs."""
    return asyncio.run(_read(ids))


async def _read(ids: list[str]) -> list[Any]:
    queue = _queue()
    results = [(await queue.job(job_id)).result for job_id in ids]
    await queue.disconnect()
    return results
