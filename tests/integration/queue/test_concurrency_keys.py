"""Concurrency keys: never more holders than places, and no place lost."""

import asyncio
import random
import time

import pytest
from arq.connections import ArqRedis

from tests.queue_state import (
    OTHER,
    TASK,
    WORKER,
    assert_nothing_left,
    claim_one,
    gauges,
    lapse,
    limited,
    make_due,
    new_job,
)
from workers.queue import keys
from workers.queue.broker import Broker
from workers.queue.records import ClaimedJob, State

HOLDERS = keys.HOLDERS + f"{TASK}:k"
PARKED = keys.PARKED + f"{TASK}:k"


async def _create(broker: Broker, count: int, limit: int, **times: float) -> list[str]:
    ids = [f"{n:03}" for n in range(count)]
    for job_id in ids:
        await broker.create(new_job(job_id, concurrency=limited(limit, **times)))
    return ids


async def test_a_job_without_a_place_is_parked_and_not_attempted(
    broker: Broker, redis: ArqRedis
) -> None:
    await _create(broker, 3, 2)

    claim = await broker.claim(WORKER, 3, [TASK])

    assert [job.id for job in claim.jobs] == ["000", "001"]
    view = await broker.read("002")
    assert (view.state, view.tries, view.started_ms) == (State.RETRY, 0, None)
    assert await gauges(broker) == (2, 1)
    assert await redis.zrange(PARKED, 0, -1) == [b"002"]


@pytest.fixture
async def called(broker: Broker) -> ClaimedJob:
    """Job 000 held the only place and has ended: 001 is to take it, and 002 waits for an hour."""
    await _create(broker, 3, 1, countdown=3600)
    [first] = (await broker.claim(WORKER, 3, [TASK])).jobs
    await broker.finish(first, State.SUCCESS, b"{}")
    return first


@pytest.mark.usefixtures("called")
async def test_a_free_place_is_passed_on_by_a_job_that_is_revoked(broker: Broker) -> None:
    await broker.revoke("001")

    assert (await claim_one(broker)).id == "002"


@pytest.mark.usefixtures("called")
async def test_a_free_place_is_passed_on_by_a_job_that_is_given_up(
    broker: Broker, redis: ArqRedis
) -> None:
    for _ in range(3):
        job = await claim_one(broker)
        assert job.id == "001"
        await lapse(redis, job)
        await redis.zrem(HOLDERS, job.id)  # as somebody's claim does with places that lapsed

    claim = await broker.claim(WORKER, 3, [TASK])
    assert [buried.id for buried in claim.buried] == ["001"]
    assert "002" in {job.id for job in claim.jobs} or (await claim_one(broker)).id == "002"


@pytest.mark.usefixtures("called")
async def test_who_comes_to_be_first_in_the_row_watches_who_holds_the_place(
    broker: Broker, redis: ArqRedis
) -> None:
    await claim_one(broker)

    due = await redis.zscore(keys.queue(TASK), "002")
    assert due is not None and due <= (time.time() + 31) * 1000


async def test_of_several_places_that_lapsed_all_are_taken_at_once(
    broker: Broker, redis: ArqRedis
) -> None:
    ids = await _create(broker, 4, 2, countdown=3600)
    for job in (await broker.claim(WORKER, 4, [TASK])).jobs:
        await broker.revoke(job.id)  # and its worker is gone, so it never gives its place back
        await redis.zadd(HOLDERS, {job.id: 1})
    await make_due(redis, ids[2])

    assert (await claim_one(broker)).id == ids[2]
    due = await redis.zscore(keys.queue(TASK), ids[3])
    assert due is not None and due <= (time.time() + 1) * 1000


async def test_a_parked_job_is_looked_at_but_once_a_call(broker: Broker, redis: ArqRedis) -> None:
    await _create(broker, 2, 1, countdown=0.0005)
    await claim_one(broker)
    await broker.claim(WORKER, 1, [TASK])
    before = await redis.info("commandstats")

    await broker.claim(WORKER, 1, [TASK])

    after = await redis.info("commandstats")
    looked = [seen["cmdstat_mget"]["calls"] for seen in (before, after)]
    assert looked[1] - looked[0] <= 2


async def test_a_free_place_goes_to_whoever_waits_longest(broker: Broker, redis: ArqRedis) -> None:
    ids = await _create(broker, 6, 1)
    ran = []
    for _ in ids:
        [job] = (await broker.claim(WORKER, 6, [TASK])).jobs
        ran.append(job.id)
        await broker.finish(job, State.SUCCESS, b"{}")

    assert ran == ids
    await assert_nothing_left(redis)


async def test_a_free_place_passes_over_who_is_not_in_the_queue_any_more(
    broker: Broker, redis: ArqRedis
) -> None:
    await _create(broker, 3, 1)
    [job] = (await broker.claim(WORKER, 3, [TASK])).jobs
    await redis.zrem(keys.queue(TASK), "001")

    await broker.finish(job, State.SUCCESS, b"{}")

    assert (await claim_one(broker)).id == "002"


async def test_who_is_called_does_not_wait_for_those_that_came_later(broker: Broker) -> None:
    await _create(broker, 2, 1)
    [job] = (await broker.claim(WORKER, 2, [TASK])).jobs
    await broker.create(new_job("000-came-later"))
    await asyncio.sleep(0.002)  # a millisecond by the server's clock at least

    await broker.finish(job, State.SUCCESS, b"{}")

    assert (await claim_one(broker)).id == "001"


async def test_different_keys_and_tasks_do_not_hinder_each_other(broker: Broker) -> None:
    for task in ("a", "b"):
        for key in ("x", "y"):
            await broker.create(new_job(task=task, concurrency=limited(1, key)))

    assert len((await broker.claim(WORKER, 9, ["a", "b"])).jobs) == 4


@pytest.mark.parametrize("way", ["finish", "release", "crash"])
async def test_every_way_to_stop_frees_the_place(broker: Broker, redis: ArqRedis, way: str) -> None:
    await _create(broker, 2, 1)
    [job] = (await broker.claim(WORKER, 2, [TASK])).jobs
    match way:
        case "finish":
            await broker.finish(job, State.FAILURE, b'""')
        case "release":
            await broker.release(job, delay=60)
        case "crash":
            await broker.release(job, delay=60, crash="crashed")

    assert (await claim_one(broker)).id == "001"
    assert await redis.zrange(HOLDERS, 0, -1) == [b"001"]


async def test_a_lost_attempt_gets_its_own_place_back(broker: Broker, redis: ArqRedis) -> None:
    await _create(broker, 2, 1)
    [job] = (await broker.claim(WORKER, 2, [TASK])).jobs
    await lapse(redis, job)

    assert (await claim_one(broker, OTHER)).id == job.id
    assert await redis.zcard(HOLDERS) == 1


@pytest.mark.parametrize(
    ("countdown", "expire", "soonest"), [(60, 1800, 30), (7, 1800, 7), (60, 9, 9)]
)
async def test_the_head_of_the_row_looks_again_when_a_place_may_be_free(
    broker: Broker, redis: ArqRedis, countdown: float, expire: float, soonest: float
) -> None:
    await _create(broker, 2, 1, countdown=countdown, expire=expire)
    await broker.claim(WORKER, 2, [TASK])

    seconds, micros = await redis.time()
    due = await redis.zscore(keys.queue(TASK), "001") / 1000
    assert due - (seconds + micros / 1e6) == pytest.approx(soonest, abs=1)


async def test_the_place_of_a_dead_holder_is_taken_when_its_lease_has_ended(
    broker: Broker, redis: ArqRedis
) -> None:
    await _create(broker, 2, 1)
    await broker.claim(WORKER, 2, [TASK])
    await redis.zadd(HOLDERS, {"000": 1})
    await make_due(redis, "001")

    assert (await claim_one(broker, OTHER)).id == "001"


@pytest.mark.parametrize("renewed", [False, True])
async def test_a_holder_that_nobody_hears_of_again_leaves_nothing_behind(
    broker: Broker, redis: ArqRedis, renewed: bool
) -> None:
    """Revoked while it ran on a worker that died: no claim and no worker would clean up."""
    await _create(broker, 1, 1)
    job = await claim_one(broker)
    if renewed:
        await redis.persist(HOLDERS)
        await broker.renew([job], 3600)
    await broker.revoke(job.id)

    assert 29_000 < await redis.pttl(HOLDERS) <= 30 * 24 * 3600 * 1000


async def test_a_place_with_a_short_expiry_does_not_shorten_the_others(
    broker: Broker, redis: ArqRedis
) -> None:
    await broker.create(new_job(concurrency=limited(2)))
    await broker.create(new_job(concurrency=limited(2, expire=1)))
    await broker.claim(WORKER, 2, [TASK])

    assert await redis.pttl(HOLDERS) > 29_000


async def test_a_parked_job_that_is_still_without_a_place_keeps_its_turn(
    broker: Broker, redis: ArqRedis
) -> None:
    await _create(broker, 3, 1)
    await broker.claim(WORKER, 3, [TASK])
    for job_id in ("002", "001"):
        await make_due(redis, job_id)
    await broker.claim(WORKER, 3, [TASK])

    assert await redis.zrange(PARKED, 0, -1) == [b"001", b"002"]
    assert await gauges(broker) == (1, 2)


@pytest.mark.parametrize("seed", range(5))
async def test_never_more_holders_than_places_while_holders_die_at_random(
    broker: Broker, redis: ArqRedis, seed: int
) -> None:
    dice = random.Random(seed)
    limit = dice.randint(1, 4)
    unfinished = set(await _create(broker, 25, limit))
    running: dict[str, ClaimedJob] = {}
    for _ in range(1000):
        claim = await broker.claim(dice.choice([WORKER, OTHER]), dice.randint(1, 6), [TASK])
        running |= {job.id: job for job in claim.jobs}
        unfinished -= {buried.id for buried in claim.buried}
        assert len(running) <= limit
        if running:
            job = running.pop(dice.choice(sorted(running)))
            match dice.choice(["finish", "finish", "release", "crash", "lost"]):
                case "finish":
                    await broker.finish(job, State.SUCCESS, b"{}")
                case "release":
                    await broker.release(job)
                case "crash":
                    await broker.release(job, crash="crashed")
                case "lost":  # the job runs no more, and its lease and its place end
                    await lapse(redis, job)
                    await redis.zadd(HOLDERS, {job.id: 1})
        for job_id in await redis.zrange(PARKED, 0, -1):  # their countdown ends
            await redis.zadd(keys.queue(TASK), {job_id: 1}, xx=True)
        states = [(await broker.read(job_id)).is_final for job_id in sorted(unfinished)]
        unfinished = {i for i, final in zip(sorted(unfinished), states, strict=True) if not final}
        if not unfinished:
            break
    assert not unfinished
    await assert_nothing_left(redis)
