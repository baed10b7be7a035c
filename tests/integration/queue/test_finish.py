"""finish: the first final write wins, and only the owner may write."""

import asyncio

import orjson
import pytest
from arq.connections import ArqRedis

from tests.queue_state import (
    OTHER,
    TASK,
    WORKER,
    assert_nothing_left,
    claim_one,
    created_and_claimed,
    gauges,
    lapse,
    meta_of,
    new_job,
    stored_result,
)
from workers.queue import keys
from workers.queue.broker import Broker
from workers.queue.records import FINAL_STATES, State, Verdict


@pytest.mark.parametrize(
    ("state", "result"),
    [(State.SUCCESS, b'{"b":[1,2]}'), (State.FAILURE, b'"trace"'), (State.REVOKED, b'"revoked"')],
)
async def test_writes_the_result_and_drops_the_rest(
    broker: Broker, redis: ArqRedis, state: State, result: bytes
) -> None:
    job = await created_and_claimed(broker)

    assert await broker.finish(job, state, result) is Verdict.OK

    view = await broker.read(job.id)
    assert (view.state, view.result, view.tries, view.worker) == (state, result, 1, WORKER)
    assert view.created_ms <= view.started_ms <= view.finished_ms == view.updated_ms  # type: ignore[operator]
    assert 590_000 < await redis.pttl(keys.RESULT + job.id) <= 600_000
    await assert_nothing_left(redis)


async def test_the_result_is_also_arqs(broker: Broker, redis: ArqRedis) -> None:
    job = await created_and_claimed(broker, new_job("one", params=b'{"a":1}'))
    await broker.finish(job, State.SUCCESS, b'{"b":2}')

    result = await stored_result(redis, "one")
    assert result is not None
    arqs = {k: result[k] for k in ("t", "f", "a", "k", "s", "r", "q", "id")}
    assert arqs == {
        "t": 1, "f": TASK, "a": [], "k": {"a": 1}, "s": True, "r": {"b": 2},
        "q": keys.queue(TASK), "id": "one",
    }  # fmt: skip


@pytest.mark.parametrize("first", sorted(FINAL_STATES))
async def test_a_second_outcome_changes_nothing(
    broker: Broker, redis: ArqRedis, first: State
) -> None:
    job = await created_and_claimed(broker)
    await broker.finish(job, first, b'"first"')
    before = await redis.get(keys.RESULT + job.id)

    for state in FINAL_STATES:
        assert await broker.finish(job, state, b'"second"') is Verdict.DUPLICATE
    assert await redis.get(keys.RESULT + job.id) == before
    await assert_nothing_left(redis)


async def test_of_many_outcomes_at_once_one_is_kept(broker: Broker) -> None:
    job = await created_and_claimed(broker)
    verdicts = await asyncio.gather(
        *(broker.finish(job, State.SUCCESS, orjson.dumps({"n": n})) for n in range(50))
    )

    assert sorted(verdicts) == [Verdict.DUPLICATE] * 49 + [Verdict.OK]
    assert (await broker.read(job.id)).result == b'{"n":%d}' % verdicts.index(Verdict.OK)


async def test_a_zombie_is_fenced(broker: Broker, redis: ArqRedis) -> None:
    zombie = await created_and_claimed(broker)
    await lapse(redis, zombie)
    heir = await claim_one(broker, OTHER)
    before = await meta_of(redis, zombie.id)

    assert await broker.finish(zombie, State.SUCCESS, b'{"by":"zombie"}') is Verdict.FENCED
    assert await meta_of(redis, zombie.id) == before
    assert await broker.finish(heir, State.SUCCESS, b'{"by":"heir"}') is Verdict.OK
    assert (await broker.read(heir.id)).result == b'{"by":"heir"}'
    assert await broker.finish(zombie, State.FAILURE, b'"late"') is Verdict.DUPLICATE
    await assert_nothing_left(redis)


async def test_a_worker_that_gave_the_job_back_is_fenced(broker: Broker) -> None:
    job = await created_and_claimed(broker)
    await broker.release(job)

    assert await broker.finish(job, State.SUCCESS, b"{}") is Verdict.FENCED
    assert (await broker.read(job.id)).state is State.RETRY


async def test_an_attempt_whose_lease_lapsed_unseen_may_still_finish(
    broker: Broker, redis: ArqRedis
) -> None:
    job = await created_and_claimed(broker)
    await lapse(redis, job)

    assert await broker.finish(job, State.SUCCESS, b"{}") is Verdict.OK
    await assert_nothing_left(redis)


async def test_a_job_that_arq_aborted_cannot_succeed(broker: Broker, redis: ArqRedis) -> None:
    job = await created_and_claimed(broker)
    await redis.zadd(keys.ABORT, {job.id: 1})

    assert await broker.finish(job, State.SUCCESS, b"{}") is Verdict.REVOKED
    assert (await broker.read(job.id)).state is State.REVOKED
    await assert_nothing_left(redis)


async def test_counts_each_end_once(broker: Broker) -> None:
    for state in (State.SUCCESS, State.SUCCESS, State.FAILURE):
        job = await created_and_claimed(broker)
        await broker.finish(job, state, b'""')
        await broker.finish(job, state, b'""')

    totals = (await broker.statistics([TASK])).totals
    assert (totals[f"{TASK}:SUCCESS"], totals[f"{TASK}:FAILURE"]) == (2, 1)
    assert await gauges(broker) == (0, 0)


@pytest.mark.parametrize("size", [0, 10, 8 * 2**20])
async def test_a_result_comes_back_byte_for_byte(broker: Broker, size: int) -> None:
    result = b'{"n":123456789012345678901234567890,"text":"%s"}' % (b"x" * size)
    job = await created_and_claimed(broker)

    await broker.finish(job, State.SUCCESS, result)
    assert (await broker.read(job.id)).result == result


async def test_a_result_expires(redis: ArqRedis) -> None:
    broker = Broker(redis, result_expires=0.02)
    job = await created_and_claimed(broker)
    await broker.finish(job, State.SUCCESS, b"{}")

    while (await broker.read(job.id)).known:
        pass
    assert (await broker.read(job.id)).state is State.FAILURE
