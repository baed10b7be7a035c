"""What a foreign client put in place of what all jobs share costs no job anything."""

import asyncio

import pytest
from arq.connections import ArqRedis

from tests.queue_state import (
    OTHER,
    TASK,
    WORKER,
    claim_one,
    created_and_claimed,
    new_job,
    spoil_meta,
)
from workers.queue import keys
from workers.queue.broker import Broker
from workers.queue.errors import QueueError
from workers.queue.records import Idempotency, JobView, Lease, State, Verdict

BROKEN = "broken"  # a task whose queue is none


async def test_a_queue_of_a_wrong_type_keeps_nothing_from_the_others(
    broker: Broker, redis: ArqRedis
) -> None:
    await redis.set(keys.queue(BROKEN), "text")
    await broker.create(new_job())
    running = await created_and_claimed(broker)

    assert await broker.recover(WORKER, [BROKEN, TASK]) == 1
    claim = await broker.claim(WORKER, 5, [BROKEN, TASK])
    assert running.id in {job.id for job in claim.jobs}
    assert len(claim.jobs) == 2
    assert (await broker.statistics([BROKEN, TASK])).waiting[BROKEN] == 0


async def test_a_create_into_it_is_refused_and_those_that_go_along_are_not(
    broker: Broker, redis: ArqRedis
) -> None:
    await redis.set(keys.queue(BROKEN), "text")

    with pytest.raises(QueueError, match="WRONGTYPE"):
        await broker.create(new_job(task=BROKEN))

    jobs = [new_job(), new_job(task=BROKEN), new_job()]
    answers = await asyncio.gather(*map(broker.create, jobs), return_exceptions=True)
    assert [type(answer) for answer in answers] == [JobView, QueueError, JobView]


@pytest.mark.parametrize("is_there", [True, False])
async def test_an_id_that_is_no_text_costs_the_others_nothing(
    broker: Broker, redis: ArqRedis, is_there: bool
) -> None:
    odd = b"\xff"
    if is_there:
        await redis.set(keys.JOB.encode() + odd, b'{"t":null,"f":"add","a":[],"k":{},"et":0}')
    await redis.zadd(keys.queue(TASK), {odd: 1})
    await broker.create(new_job("one"))

    claim = await broker.claim(WORKER, 5, [TASK])

    assert "one" in {job.id for job in claim.jobs}
    assert len(claim.jobs) == 1 + is_there
    for job in claim.jobs:
        verdict = await broker.finish(job, State.SUCCESS, b"{}")
        assert verdict is (Verdict.OK if job.id == "one" else Verdict.FENCED)


@pytest.mark.parametrize("name", [keys.TOTALS, keys.SLOTS])
async def test_counters_of_a_wrong_type_start_anew(
    broker: Broker, redis: ArqRedis, name: str
) -> None:
    await redis.delete(name)
    await redis.rpush(name, "x")

    for _ in range(2):
        job = await created_and_claimed(broker)
        assert await broker.finish(job, State.SUCCESS, b"{}") is Verdict.OK

    assert (await broker.statistics([TASK])).totals[f"{TASK}:SUCCESS"] >= 1


async def test_a_counter_that_is_no_number_starts_anew(broker: Broker, redis: ArqRedis) -> None:
    await redis.hset(keys.TOTALS, f"{TASK}:SUCCESS", "many")
    job = await created_and_claimed(broker)
    assert await broker.finish(job, State.SUCCESS, b"{}") is Verdict.OK


async def test_a_wake_up_of_a_wrong_type_is_dropped(broker: Broker, redis: ArqRedis) -> None:
    await redis.set(keys.wake(TASK), "text")
    await broker.create(new_job())
    await broker.create(new_job())

    assert await redis.lrange(keys.wake(TASK), 0, -1) == [b"1"]
    await claim_one(broker, OTHER)


async def test_aborts_of_a_wrong_type_end_no_job(broker: Broker, redis: ArqRedis) -> None:
    await broker.create(new_job("one"))

    await redis.set(keys.ABORT, "text")
    job = await claim_one(broker)
    await redis.set(keys.ABORT, "text")
    assert await broker.renew([job], 60) == [Lease.OK]
    await redis.set(keys.ABORT, "text")
    assert await broker.finish(job, State.SUCCESS, b"{}") is Verdict.OK


@pytest.mark.parametrize("name", [keys.DEAD, keys.DEAD_LETTER + "bad"])
async def test_letters_of_a_wrong_type_keep_no_job_back(
    broker: Broker, redis: ArqRedis, name: str
) -> None:
    await broker.create(new_job("bad"))
    await redis.set(keys.META + "bad", "garbage")
    await redis.set(name, "text")
    await broker.create(new_job("good"))

    claim = await broker.claim(WORKER, 2, [TASK])

    assert ([job.id for job in claim.jobs], [job.id for job in claim.buried]) == (["good"], ["bad"])
    assert [letter.id for letter in (await broker.dead_letters(5)).letters] == ["bad"]


@pytest.mark.parametrize("moment", ["soon", "007", "9" * 30])
@pytest.mark.parametrize("field", ["created", "started"])
async def test_a_time_that_is_none_keeps_nobody_from_seeing_the_job(
    broker: Broker, redis: ArqRedis, field: str, moment: str
) -> None:
    job = await created_and_claimed(broker)
    await spoil_meta(redis, job.id, **{field: moment})
    assert (await broker.read(job.id)).state is State.STARTED

    assert await broker.finish(job, State.SUCCESS, b"{}") is Verdict.OK
    view = await broker.read(job.id)
    assert view.state is State.SUCCESS
    assert view.created_ms is not None and view.started_ms is not None
    assert view.finished_ms is not None
    assert 0 <= view.finished_ms - min(view.created_ms, view.started_ms) < 60_000


async def test_a_create_into_a_queue_that_is_none_leaves_nothing_behind(
    broker: Broker, redis: ArqRedis
) -> None:
    once = Idempotency("name", "body")
    await redis.set(keys.queue(TASK), "text")
    with pytest.raises(QueueError, match="WRONGTYPE"):
        await broker.create(new_job("refused", idempotency=once))
    assert await redis.keys("*") == [keys.queue(TASK).encode()]

    await redis.delete(keys.queue(TASK))
    view = await broker.create(new_job("again", idempotency=once))
    assert view is not None
    assert (view.id, (await claim_one(broker)).id) == ("again", "again")
