"""Jobs for tests of the queue, and looks behind its door."""

import itertools
from typing import Any

import orjson
from arq.connections import ArqRedis

from workers.queue import keys
from workers.queue.broker import Broker
from workers.queue.records import ClaimedJob, Concurrency, NewJob, State

TASK = "add"
WORKER = "worker@here-1"
OTHER = "worker@there-2"

_numbers = itertools.count(1)

# What may stay when all jobs have ended: results and idempotency keys until they expire, counters,
# dead letters, and a wake-up a task.
KEPT = (
    keys.RESULT, keys.IDEMPOTENCY, keys.TOTALS, keys.SNAPSHOTS, keys.SLOTS, keys.DEAD, keys.WAKE,
)  # fmt: skip


def new_job(job_id: str = "", task: str = TASK, **fields: Any) -> NewJob:
    """A job to create; the id is made up if not given."""
    given = {"params": b'{"a":1}', "owner": "ann", **fields}
    return NewJob(id=job_id or f"job-{next(_numbers)}", task=task, **given)


def limited(limit: int, key: str = "k", countdown: float = 60, expire: float = 1800) -> Concurrency:
    """A concurrency key; times are seconds."""
    return Concurrency(key, limit, int(countdown * 1000), int(expire * 1000))


async def claim_one(broker: Broker, worker: str = WORKER, task: str = TASK) -> ClaimedJob:
    """The one job that is due."""
    claim = await broker.claim(worker, 1, [task])
    assert len(claim.jobs) == 1, claim
    return claim.jobs[0]


async def enqueue_by_arq(redis: ArqRedis, job_id: str, task: str = TASK, **params: Any) -> None:
    """A job of an arq client, due now: arq rounds, so by its own time that may be a ms ahead."""
    await redis.enqueue_job(task, _job_id=job_id, _queue_name=keys.queue(task), **params)
    await make_due(redis, job_id, task)


async def created_and_claimed(broker: Broker, job: NewJob | None = None) -> ClaimedJob:
    """A job that runs on WORKER."""
    job = job or new_job()
    assert await broker.create(job) is not None
    return await claim_one(broker, task=job.task)


async def lapse(redis: ArqRedis, job: ClaimedJob) -> None:
    """Have the lease of a job run out now."""
    await redis.delete(keys.IN_PROGRESS + job.id)
    await redis.zadd(keys.queue(job.task), {job.id: 1})


async def make_due(redis: ArqRedis, job_id: str, task: str = TASK) -> None:
    """Have a job that waits for its time be due now."""
    assert await redis.zadd(keys.queue(task), {job_id: 1}, xx=True, ch=True) == 1


async def blocked_clients(redis: ArqRedis) -> int:
    """How many clients the server has wait for something."""
    return int((await redis.info("clients"))["blocked_clients"])


async def meta_of(redis: ArqRedis, job_id: str) -> dict[str, str]:
    """What is kept of an unfinished job besides itself; empty if nothing is."""
    stored = await redis.get(keys.META + job_id)
    meta: dict[str, str] = orjson.loads(stored) if stored is not None else {}
    return meta


async def spoil_meta(redis: ArqRedis, job_id: str, **changes: str | None) -> None:
    """Change fields of a job's meta behind everybody's back; None takes one away."""
    changed = {**await meta_of(redis, job_id), **changes}
    meta = {name: value for name, value in changed.items() if value is not None}
    await redis.set(keys.META + job_id, orjson.dumps(meta), keepttl=True)


async def stored_result(redis: ArqRedis, job_id: str) -> dict[str, Any] | None:
    """A result as an arq client reads it."""
    stored = await redis.get(keys.RESULT + job_id)
    return orjson.loads(stored) if stored is not None else None


async def gauges(broker: Broker, task: str = TASK) -> tuple[int, int]:
    """How many jobs the counters take for STARTED and for RETRY."""
    totals = (await broker.statistics([task])).totals
    return totals.get(f"{task}:{State.STARTED}", 0), totals.get(f"{task}:{State.RETRY}", 0)


async def assert_nothing_left(redis: ArqRedis) -> None:
    """Every job has ended: nothing but results and counters is kept, and no gauge is off zero."""
    left = [key.decode() async for key in redis.scan_iter(count=1000)]
    assert [key for key in left if not key.startswith(KEPT)] == []
    totals = {k.decode(): int(v) for k, v in (await redis.hgetall(keys.TOTALS)).items()}
    unfinished = (State.STARTED, State.RETRY)
    assert {k: v for k, v in totals.items() if k.endswith(unfinished) and v != 0} == {}
