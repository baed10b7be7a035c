"""Wake-ups: an idle worker learns of work by message and not by looking."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from arq.connections import ArqRedis

from tests.queue_state import (
    OTHER,
    TASK,
    WORKER,
    blocked_clients,
    created_and_claimed,
    limited,
    new_job,
)
from tests.waiting import eventually
from workers.queue import keys
from workers.queue.broker import Broker
from workers.queue.errors import QueueError, QueueUnavailableError
from workers.queue.records import State

SOON = 1.0  # seconds; a waiter that is not woken waits for LONG
LONG = 4.0


@pytest.fixture
def idle(redis: ArqRedis) -> Broker:
    """The door of a worker that waits, beside that of all others."""
    return Broker(redis, result_expires=600, lease=30)


@pytest.fixture
async def woken(redis: ArqRedis, idle: Broker) -> AsyncIterator[asyncio.Task[float]]:
    """An idle worker's claim; its result is how long it took."""

    async def wait() -> float:
        began = time.monotonic()
        assert len((await idle.claim(WORKER, 1, [TASK, "other"], patience=LONG)).jobs) == 1
        return time.monotonic() - began

    waiting = asyncio.create_task(wait())
    await _blocked(redis, 1)
    yield waiting
    await waiting


async def _blocked(redis: ArqRedis, count: int) -> None:
    async def blocked() -> bool:
        return await blocked_clients(redis) >= count

    await eventually(blocked)


@pytest.mark.parametrize("task", [TASK, "other"])
async def test_a_create_wakes_an_idle_worker(
    broker: Broker, woken: asyncio.Task[float], task: str
) -> None:
    await broker.create(new_job(task=task))

    assert await woken < SOON


async def test_a_job_given_back_wakes_an_idle_worker(
    broker: Broker, redis: ArqRedis, idle: Broker
) -> None:
    job = await created_and_claimed(broker)
    await redis.delete(keys.wake(TASK))
    waiting = asyncio.create_task(idle.claim(OTHER, 1, [TASK], patience=LONG))
    await _blocked(redis, 1)

    began = time.monotonic()
    await broker.release(job)
    assert [again.id for again in (await waiting).jobs] == [job.id]
    assert time.monotonic() - began < SOON


async def test_a_place_that_becomes_free_wakes_an_idle_worker(
    broker: Broker, redis: ArqRedis, idle: Broker
) -> None:
    for _ in range(2):
        await broker.create(new_job(concurrency=limited(1)))
    [holder] = (await broker.claim(WORKER, 2, [TASK])).jobs
    await redis.delete(keys.wake(TASK))
    waiting = asyncio.create_task(idle.claim(OTHER, 1, [TASK], patience=LONG))
    await _blocked(redis, 1)

    began = time.monotonic()
    await broker.finish(holder, State.SUCCESS, b"{}")
    assert len((await waiting).jobs) == 1
    assert time.monotonic() - began < SOON


async def test_a_batch_of_creates_wakes_several_workers(broker: Broker, redis: ArqRedis) -> None:
    """Each idle worker that takes one job and leaves work behind passes the wake-up on."""
    taken: list[str] = []

    async def work(name: str) -> None:
        door = Broker(redis, result_expires=600, lease=30)
        taken.extend(job.id for job in (await door.claim(name, 1, [TASK], patience=LONG)).jobs)

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


async def test_a_wait_without_work_ends_by_itself(broker: Broker) -> None:
    assert (await broker.claim(WORKER, 1, [TASK], patience=0.05)).jobs == []


async def test_a_wait_longer_than_an_answer_may_take_is_none_that_failed(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.queue.runner.ANSWER_TIMEOUT", 0.2)
    patient = Broker(broker.redis, result_expires=600, lease=30)

    assert (await patient.claim(WORKER, 1, [TASK], patience=0.6)).jobs == []


async def test_a_claim_that_waits_and_is_broken_off_takes_nothing(
    broker: Broker, redis: ArqRedis, idle: Broker
) -> None:
    waiting = asyncio.create_task(idle.claim(OTHER, 1, [TASK], patience=LONG))
    await _blocked(redis, 1)

    idle.break_off_claim()
    with pytest.raises(QueueUnavailableError):
        await waiting
    await eventually(lambda: is_nobody_blocked(redis))
    await broker.create(new_job("one"))
    assert (await broker.read("one")).state is State.PENDING


async def is_nobody_blocked(redis: ArqRedis) -> bool:
    return await blocked_clients(redis) == 0


async def test_a_wake_up_list_that_is_none_keeps_no_job_back_and_is_said(
    broker: Broker, redis: ArqRedis
) -> None:
    await redis.set(keys.wake(TASK), "text")
    await broker.create(new_job("one", "other"))

    claim = await broker.claim(WORKER, 2, [TASK, "other"], patience=LONG)
    assert [job.id for job in claim.jobs] == ["one"]
    with pytest.raises(QueueError, match="WRONGTYPE"):
        await broker.claim(WORKER, 2, [TASK, "other"], patience=LONG)


@pytest.mark.parametrize("lease", [0.4, 1.5])
async def test_a_claim_that_waits_with_a_short_lease_takes_what_comes(
    broker: Broker, redis: ArqRedis, lease: float
) -> None:
    idle = Broker(redis, result_expires=600, lease=lease)
    await idle.claim(WORKER, 1, [TASK])  # from now on it knows the server's clock
    waiting = asyncio.create_task(idle.claim(WORKER, 1, [TASK], patience=LONG))
    await _blocked(redis, 1)
    await asyncio.sleep(0.7 * lease)
    await broker.create(new_job("one"))

    jobs = (await waiting).jobs or (await idle.claim(WORKER, 1, [TASK], patience=LONG)).jobs
    assert [job.id for job in jobs] == ["one"]


async def test_what_comes_due_while_a_claim_waits_is_taken_when_the_wait_is_over(
    broker: Broker, redis: ArqRedis
) -> None:
    idle = Broker(redis, result_expires=600, lease=4)  # it waits for a quarter of that
    await idle.claim(WORKER, 1, [TASK])
    await broker.create(new_job("one"))
    await redis.delete(keys.wake(TASK))  # no message will tell of it

    assert [job.id for job in (await idle.claim(WORKER, 1, [TASK], patience=LONG)).jobs] == ["one"]
