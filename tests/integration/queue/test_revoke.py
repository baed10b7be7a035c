"""revoke: a job ends at once, wherever it stands, and stays ended."""

import asyncio

import pytest
from arq.connections import ArqRedis

from tests.queue_state import (
    OTHER,
    TASK,
    WORKER,
    assert_nothing_left,
    claim_one,
    created_and_claimed,
    enqueue_by_arq,
    gauges,
    lapse,
    limited,
    new_job,
)
from workers.queue import keys
from workers.queue.broker import Broker
from workers.queue.records import FINAL_STATES, State, Verdict


async def test_a_queued_job_never_starts(broker: Broker, redis: ArqRedis) -> None:
    await broker.create(new_job("one"))

    revocation = await broker.revoke("one")

    assert revocation.accepted
    assert revocation.view == await broker.read("one")
    assert (await broker.claim(WORKER, 1, [TASK])).jobs == []
    await assert_nothing_left(redis)


async def test_a_running_job_cannot_succeed_any_more(broker: Broker, redis: ArqRedis) -> None:
    job = await created_and_claimed(broker)

    assert (await broker.revoke(job.id)).accepted
    assert await broker.finish(job, State.SUCCESS, b"{}") is Verdict.DUPLICATE
    assert (await broker.read(job.id)).state is State.REVOKED
    assert await gauges(broker) == (0, 0)
    await assert_nothing_left(redis)


async def test_the_worker_of_a_running_job_is_told(broker: Broker, redis: ArqRedis) -> None:
    job = await created_and_claimed(broker)
    async with redis.pubsub() as channel:
        await channel.subscribe(keys.cancel(WORKER))
        await channel.get_message(timeout=5)

        await broker.revoke(job.id)
        message = await channel.get_message(timeout=5)

    assert message is not None
    assert message["data"] == job.id.encode()


async def test_a_lost_job_does_not_come_back(broker: Broker, redis: ArqRedis) -> None:
    job = await created_and_claimed(broker)
    await lapse(redis, job)

    assert (await broker.revoke(job.id)).accepted
    assert (await broker.claim(OTHER, 1, [TASK])).jobs == []
    await assert_nothing_left(redis)


async def test_a_parked_job_gives_up_its_turn(broker: Broker, redis: ArqRedis) -> None:
    for job_id in ("first", "second", "third"):
        await broker.create(new_job(job_id, concurrency=limited(1)))
    [holder] = (await broker.claim(WORKER, 3, [TASK])).jobs

    assert (await broker.revoke("second")).accepted
    await broker.finish(holder, State.SUCCESS, b"{}")

    third = await claim_one(broker)
    assert third.id == "third"
    await broker.finish(third, State.SUCCESS, b"{}")
    await assert_nothing_left(redis)


async def test_the_place_of_a_running_job_stays_taken_until_it_has_stopped(
    broker: Broker, redis: ArqRedis
) -> None:
    for job_id in ("first", "second"):
        await broker.create(new_job(job_id, concurrency=limited(1)))
    [first] = (await broker.claim(WORKER, 2, [TASK])).jobs
    await broker.revoke("first")
    await redis.zadd(keys.queue(TASK), {"second": 1})
    assert (await broker.claim(WORKER, 1, [TASK])).jobs == []

    await broker.finish(first, State.REVOKED, b'"revoked"')
    second = await claim_one(broker)
    assert second.id == "second"
    await broker.finish(second, State.SUCCESS, b"{}")
    await assert_nothing_left(redis)


@pytest.mark.parametrize("state", sorted(FINAL_STATES))
async def test_a_job_that_has_ended_stays_as_it_ended(
    broker: Broker, redis: ArqRedis, state: State
) -> None:
    job = await created_and_claimed(broker)
    await broker.finish(job, state, b'"end"')
    before = await redis.get(keys.RESULT + job.id)

    revocation = await broker.revoke(job.id)

    assert revocation.view.state is state
    assert revocation.accepted is (state is State.REVOKED)
    assert await redis.get(keys.RESULT + job.id) == before


async def test_a_job_that_expired_unrun_stays_the_failure_it_is_shown_as(
    broker: Broker, redis: ArqRedis
) -> None:
    await broker.create(new_job("one"))
    await redis.delete(keys.JOB + "one")
    shown = await broker.read("one")
    assert shown.state is State.FAILURE

    revocation = await broker.revoke("one")

    assert not revocation.accepted
    assert (revocation.view.state, revocation.view.text) == (shown.state, shown.text)
    assert revocation.view == await broker.read("one")
    await assert_nothing_left(redis)


async def test_an_unknown_job_is_not_revoked(broker: Broker, redis: ArqRedis) -> None:
    revocation = await broker.revoke("nobody")

    assert not revocation.accepted
    assert not revocation.view.known
    assert await redis.dbsize() == 0


@pytest.mark.parametrize("started", [False, True])
async def test_a_job_enqueued_by_arq(broker: Broker, redis: ArqRedis, started: bool) -> None:
    await enqueue_by_arq(redis, "one", a=1)
    if started:
        await claim_one(broker)

    assert (await broker.revoke("one")).accepted
    assert (await broker.claim(WORKER, 1, [TASK])).jobs == []
    await assert_nothing_left(redis)


@pytest.mark.parametrize("garbage", ["text", "list"])
async def test_garbage_in_place_of_a_job_is_unknown(
    broker: Broker, redis: ArqRedis, garbage: str
) -> None:
    if garbage == "text":
        await redis.set(keys.JOB + "odd", b"\x80\x04garbage")
    else:
        await redis.rpush(keys.JOB + "odd", "garbage")

    assert not (await broker.revoke("odd")).accepted


async def test_twice_and_at_once_is_once(broker: Broker, redis: ArqRedis) -> None:
    await broker.create(new_job("one"))

    views = [r.view for r in await asyncio.gather(*(broker.revoke("one") for _ in range(20)))]

    assert len(set(views)) == 1
    assert (await broker.statistics([TASK])).totals[f"{TASK}:REVOKED"] == 1
    await assert_nothing_left(redis)


async def test_a_job_of_another_owner_is_left_alone(broker: Broker) -> None:
    await broker.create(new_job("one", owner="ann"))
    unknown = (await broker.revoke("none", owner="eve")).view
    waiting = (await broker.revoke("one", owner="eve")).view
    await claim_one(broker)
    running = (await broker.revoke("one", owner="eve")).view

    assert (waiting.known, running.known, unknown.known) == (False, False, False)
    assert waiting.text == unknown.text.replace("none", "one")
    assert (await broker.read("one")).state is State.STARTED
    assert (await broker.revoke("one", owner="ann")).accepted
    assert (await broker.revoke("one", owner="eve")).view.owner == "ann"
