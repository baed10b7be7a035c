"""Plain arq, as its documentation runs synchronous jobs: in a pool of two processes."""

import asyncio
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib.metadata import version
from typing import Any, ClassVar

from arq import create_pool
from arq.connections import RedisSettings
from arq.jobs import Job

from tests.bench.peers.address import SOCKET
from tests.bench.peers.peer import Peer

RESULT_SECONDS = 259_200  # as long as FastTask keeps its results
AT_ONCE = 100

PEER = Peer(
    name="arq",
    version=version("arq"),
    worker=("arq", "tests.bench.peers.arq.WorkerSettings"),
    runs_in="a pool of 2 processes that breaks as a whole; no time limit for its tasks",
    acknowledges="after the result; a killed worker's jobs are run again after their time limit",
    remaining="return redis.call('ZCARD', 'arq:queue')",
    most_jobs=1000,
)


def noop_in_process(number: int) -> dict[str, int]:
    """Nothing but the way there and back."""
    return {"number": number}


async def noop(context: dict[str, Any], number: int) -> dict[str, int]:
    """Run it in the pool."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(context["pool"], partial(noop_in_process, number))


async def startup(context: dict[str, Any]) -> None:
    """Make the pool."""
    context["pool"] = ProcessPoolExecutor(max_workers=2)


async def shutdown(context: dict[str, Any]) -> None:
    """Close the pool."""
    context["pool"].shutdown()


class WorkerSettings:
    """What arq's command line reads."""

    functions: ClassVar = [noop]
    on_startup = startup
    on_shutdown = shutdown
    max_jobs = 100
    keep_result = RESULT_SECONDS
    redis_settings = RedisSettings(unix_socket_path=SOCKET)


def enqueue(count: int) -> list[str]:
    """Queue ``count`` jobs; their ids."""
    return asyncio.run(_enqueue(count))


async def _enqueue(count: int) -> list[str]:
    pool = await create_pool(WorkerSettings.redis_settings)
    ids: list[str] = []
    for first in range(0, count, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, count))
        jobs = await asyncio.gather(*(pool.enqueue_job("noop", n) for n in numbers))
        ids += [job.job_id for job in jobs if job]
    return ids


def read(ids: list[str]) -> list[Any]:
    """The results of jobs."""
    return asyncio.run(_read(ids))


async def _read(ids: list[str]) -> list[Any]:
    pool = await create_pool(WorkerSettings.redis_settings)
    return [await Job(job_id, pool).result(timeout=1) for job_id in ids]
