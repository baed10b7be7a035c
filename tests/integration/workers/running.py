"""Jobs that whole workers run."""

from collections.abc import Callable

import orjson
from arq.connections import ArqRedis

from tests.queue_state import assert_nothing_left, new_job
from tests.waiting import eventually
from tests.worker_process import WorkerProcess
from workers.queue import keys
from workers.queue.broker import Broker
from workers.queue.records import JobView

LEASE = 3.0  # seconds, as the workers here are started
MakeWorker = Callable[..., WorkerProcess]


async def ended(broker: Broker, job_id: str, within: float = 10.0) -> JobView:
    """The job once it has ended."""

    async def final() -> JobView | None:
        view = await broker.read(job_id)
        return view if view.is_final else None

    return await eventually(final, within)


async def run(broker: Broker, task: str, job_id: str = "", **params: object) -> JobView:
    """Create a job and wait for its end."""
    job = new_job(job_id, task, params=orjson.dumps(params))
    assert await broker.create(job) is not None
    return await ended(broker, job.id)


async def assert_nothing_left_but_presence(redis: ArqRedis) -> None:
    """As assert_nothing_left, with workers still there."""
    for name in await redis.zrange(keys.WORKERS, 0, -1):
        await redis.delete(keys.WORKER + name.decode())
    await redis.delete(keys.WORKERS)
    await assert_nothing_left(redis)
