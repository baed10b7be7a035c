"""Wake-ups: an idle worker learns of work by message and not by looking."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from arq.connections import ArqRedis

from tests.queue_state import TASK, WORKER, created_and_claimed, limited, new_job
from tests.waiting import eventually
from workers.queue import keys
from workers.queue.broker import Broker
from workers.queue.listeners import ComingWork
from workers.queue.records import State

SOON = 1.0  # seconds; a waiter that is not woken waits for LONG
LONG = 4.0


@pytest.fixture
async def woken(redis: ArqRedis) -> AsyncIterator[asyncio.Task[float]]:
    """An idle worker's wait; its result is how long it took."""

    async def wait() -> float:
        began = time.monotonic()
        await ComingWork(redis, [TASK, "other"], LONG).wait()
        return time.monotonic() - began

    waiting = asyncio.create_task(wait())
    await _blocked(redis, 1)
    yield waiting
    await waiting


async def _blocked(redis: ArqRedis, count: int) -> None:
    async def blocked() -> bool:
        return (await redis.info("clients"))["blocked_clients"] >= count

    await eventually(blocked)


@pytest.mark.parametrize("task", [TASK, "other"])
async def test_a_create_wakes_an_idle_worker(
    broker: Broker, woken: asyncio.Task[float], task: str
) -> None:
    await broker.create(new_job(task=task))

    assert await woken < SOON


async def test_a_job_given_back_wakes_an_idle_worker(broker: Broker, redis: ArqRedis) -> None:
    job = await created_and_claimed(broker)
    await redis.delete(keys.wake(TASK))
    waiting = asyncio.create_task(ComingWork(redis, [TASK], LONG).wait())
    await _blocked(redis, 1)

    began = time.monotonic()
    await broker.release(job)
    await waiting
    assert time.monotonic() - began < SOON


async def test_a_place_that_becomes_free_wakes_an_idle_worker(
    broker: Broker, redis: ArqRedis
) -> None:
    for _ in range(2):
        await broker.create(new_job(concurrency=limited(1)))
    [holder] = (await broker.claim(WORKER, 2, [TASK])).jobs
    await redis.delete(keys.wake(TASK))
    waiting = asyncio.create_task(ComingWork(redis, [TASK], LONG).wait())
    await _blocked(redis, 1)

    began = time.monotonic()
    await broker.finish(holder, State.SUCCESS, b"{}")
    await waiting
    assert time.monotonic() - began < SOON
    assert len((await broker.claim(WORKER, 1, [TASK])).jobs) == 1


async def test_a_batch_of_creates_wakes_several_workers(broker: Broker, redis: ArqRedis) -> None:
    """Each idle worker that takes one job and leaves work behind passes the wake-up on."""
    taken: list[str] = []

    async def work(name: str) -> None:
        await ComingWork(redis, [TASK], LONG).wait()
        taken.extend(job.id for job in (await broker.claim(name, 1, [TASK])).jobs)

    workers = [asyncio.create_task(work(f"w{n}")) for n in range(4)]
    await _blocked(redis, 4)

    began = time.monotonic()
    await asyncio.gather(*(broker.create(new_job()) for _ in range(8)))
    await asyncio.gather(*workers)
    assert time.monotonic() - began < SOON
    assert len(set(taken)) == 4


async def test_wake_ups_do_not_pile_up(broker: Broker, redis: ArqRedis) -> None:
    for _ in range(50):
        await broker.create(new_job())

    assert await redis.llen(keys.wake(TASK)) == 1


async def test_a_wait_without_work_ends_by_itself(redis: ArqRedis) -> None:
    await ComingWork(redis, [TASK], 0.05).wait()
