"""statistics: counters of all jobs and of windows of time."""

import pytest
from arq.connections import ArqRedis

from tests.queue_state import TASK, WORKER, assert_nothing_left, created_and_claimed, new_job
from workers.queue import keys
from workers.queue.broker import WINDOWS, Broker
from workers.queue.records import State


async def _end(broker: Broker, state: State = State.SUCCESS, task: str = TASK) -> None:
    await broker.finish(await created_and_claimed(broker, new_job(task=task)), state, b'""')


async def _shift_history(redis: ArqRedis, seconds: int) -> None:
    """Make all snapshots so much older: what a clock that moved on would show."""
    for period in (p for p in (5, 60, 900) if seconds >= p):
        slots = await redis.zrange(keys.SNAPSHOTS + str(period), 0, -1)
        for slot in slots:
            old = f"{keys.SNAPSHOT}{period}:{slot.decode()}"
            earlier = int(slot) - seconds // period
            if await redis.exists(old):
                await redis.rename(old, f"{keys.SNAPSHOT}{period}:{earlier}")
            await redis.zrem(keys.SNAPSHOTS + str(period), slot)
            await redis.zadd(keys.SNAPSHOTS + str(period), {str(earlier): earlier})
        await redis.hdel(keys.SLOTS, str(period))


async def test_an_empty_queue_has_empty_statistics(broker: Broker) -> None:
    statistics = await broker.statistics([TASK])

    assert statistics.totals == {}
    assert statistics.waiting == {TASK: 0}
    assert statistics.completed_since == {window: {} for window in WINDOWS}


async def test_counts_by_task_and_state(broker: Broker) -> None:
    await _end(broker)
    await _end(broker, State.FAILURE)
    await _end(broker, task="other")

    totals = (await broker.statistics([TASK])).totals
    ended = {k: v for k, v in totals.items() if v}
    assert ended == {f"{TASK}:SUCCESS": 1, f"{TASK}:FAILURE": 1, "other:SUCCESS": 1}


async def test_gauges_follow_the_jobs_and_return_to_zero(broker: Broker, redis: ArqRedis) -> None:
    for _ in range(5):
        await broker.create(new_job())
    jobs = (await broker.claim(WORKER, 3, [TASK])).jobs
    await broker.release(jobs[0], delay=60)

    statistics = await broker.statistics([TASK, "idle"])
    assert statistics.totals[f"{TASK}:STARTED"] == 2
    assert statistics.totals[f"{TASK}:RETRY"] == 1
    assert statistics.waiting == {TASK: 3, "idle": 0}

    for job in jobs[1:]:
        await broker.finish(job, State.SUCCESS, b"{}")
    await broker.revoke(jobs[0].id)
    for job in (await broker.claim(WORKER, 5, [TASK])).jobs:
        await broker.finish(job, State.SUCCESS, b"{}")
    await assert_nothing_left(redis)


@pytest.mark.parametrize(
    ("age", "counted_in"),
    [(0, {60, 900, 3600, 86400}), (300, {900, 3600, 86400}), (1800, {3600, 86400}),
     (7200, {86400}), (100_800, set())],
)  # fmt: skip
async def test_a_window_holds_what_ended_within_it(
    broker: Broker, redis: ArqRedis, age: int, counted_in: set[int]
) -> None:
    await _end(broker)
    await _shift_history(redis, age)
    if age:
        await _end(broker, task="now")

    windows = (await broker.statistics([TASK])).completed_since
    assert {w for w, ended in windows.items() if ended.get(f"{TASK}:SUCCESS")} == counted_in
    if age:
        assert all(ended["now:SUCCESS"] == 1 for ended in windows.values())


async def test_a_window_with_nothing_in_it_counts_nothing(broker: Broker, redis: ArqRedis) -> None:
    await _end(broker)
    await _shift_history(redis, 100_800)

    windows = (await broker.statistics([TASK])).completed_since
    assert all(not any(ended.values()) for ended in windows.values())


async def test_old_snapshots_are_dropped(broker: Broker, redis: ArqRedis) -> None:
    for _ in range(3):
        await _end(broker)
        await _shift_history(redis, 100_800)
    await _end(broker)

    for period in (5, 60, 900):
        assert await redis.zcard(keys.SNAPSHOTS + str(period)) == 1
    async for name in redis.scan_iter(match=keys.SNAPSHOT + "*"):
        assert await redis.ttl(name) > 0
