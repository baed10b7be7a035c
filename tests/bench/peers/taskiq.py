"""taskiq with its stream broker, which acknowledges, and two worker processes."""

import asyncio
from importlib.metadata import version
from typing import Any

from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

from tests.bench.peers.address import URL
from tests.bench.peers.peer import Peer

RESULT_SECONDS = 259_200  # as long as FastTask keeps its results
AT_ONCE = 100

results: RedisAsyncResultBackend[Any] = RedisAsyncResultBackend(
    URL, result_ex_time=RESULT_SECONDS, prefix_str="result"
)
# A group that begins with the stream: the backlog is there before the workers are.
broker = RedisStreamBroker(URL, consumer_id="0").with_result_backend(results)

PEER = Peer(
    name="taskiq",
    version=f"{version('taskiq')}, taskiq-redis {version('taskiq-redis')}",
    worker=(
        "taskiq", "worker", "tests.bench.peers.taskiq:broker", "--workers", "2",
        "--log-level", "WARNING",
    ),
    runs_in="the event loop of 2 processes, 100 at once in each",
    acknowledges="after the result; a killed worker's jobs are run again after ten minutes",
    # All keys but results; counting those by name would take long, and this is asked often.
    remaining="return ARGV[1] - redis.call('DBSIZE') "
    "+ redis.call('EXISTS', 'taskiq', 'autoclaim:taskiq:taskiq')",
)  # fmt: skip


@broker.task(task_name="noop")
async def noop(number: int) -> dict[str, int]:
    """Nothing but the way there and back."""
    return {"number": number}


def enqueue(count: int) -> list[str]:
    """Queue ``count`` jobs; their ids."""
    return asyncio.run(_enqueue(count))


async def _enqueue(count: int) -> list[str]:
    await broker.startup()
    ids: list[str] = []
    for first in range(0, count, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, count))
        ids += [job.task_id for job in await asyncio.gather(*(noop.kiq(n) for n in numbers))]
    await broker.shutdown()
    return ids


def read(ids: list[str]) -> list[Any]:
    """The results of jobs."""
    return asyncio.run(_read(ids))


async def _read(ids: list[str]) -> list[Any]:
    return [(await results.get_result(job_id)).return_value for job_id in ids]
