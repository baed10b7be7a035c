"""read: a job as it stands, and who wants to know of its end."""

import pytest
from arq.connections import ArqRedis

from tests.queue_state import TASK, created_and_claimed, new_job
from workers.queue import keys
from workers.queue.broker import CRASH_LIMIT, Broker
from workers.queue.records import State


async def test_an_open_job(broker: Broker) -> None:
    created = await broker.create(new_job("one", owner="ann"))
    assert created is not None

    view = await broker.read("one")

    assert (view.state, view.task, view.owner, view.tries) == (State.PENDING, TASK, "ann", 0)
    assert (view.worker, view.started_ms, view.finished_ms, view.result) == (
        None,
        None,
        None,
        b'""',
    )
    assert view.created_ms == view.updated_ms == created.created_ms
    assert not view.is_final


async def test_an_unknown_job_says_so(broker: Broker, redis: ArqRedis) -> None:
    view = await broker.read("nobody", notify="g1")

    assert (view.state, view.known) == (State.FAILURE, False)
    assert "nobody" in view.result.decode()
    assert await redis.dbsize() == 0


async def test_a_job_whose_data_is_gone_reads_as_expired(broker: Broker, redis: ArqRedis) -> None:
    await broker.create(new_job("old"))
    await redis.delete(keys.JOB + "old")

    view = await broker.read("old")

    assert (view.state, view.known, view.task) == (State.FAILURE, True, TASK)
    assert b"expired" in view.result
    assert (await broker.claim("w", 1, [TASK])).jobs == []
    assert (await broker.read("old")).result == view.result, "the words do not change"


async def test_a_job_enqueued_by_arq_waits(broker: Broker, redis: ArqRedis) -> None:
    await redis.enqueue_job(TASK, _job_id="one", _queue_name=keys.queue(TASK))

    view = await broker.read("one")
    assert (view.state, view.known) == (State.PENDING, True)


async def test_what_is_kept_of_who_asked_for_a_job_of_arq_expires(
    broker: Broker, redis: ArqRedis
) -> None:
    await redis.enqueue_job(TASK, _job_id="one", _queue_name=keys.queue(TASK))

    await broker.read("one", notify="g1")

    assert await redis.pttl(keys.META + "one") > 0


@pytest.mark.parametrize("end", ["finish", "revoke", "claim", "release"])
async def test_whoever_asked_is_told_of_the_end(broker: Broker, redis: ArqRedis, end: str) -> None:
    async with redis.pubsub() as channel:
        await channel.subscribe(keys.done("g1"), keys.done("g10"), keys.done("g2"))
        for _ in range(3):
            await channel.get_message(timeout=5)
        await broker.create(new_job("one"), notify="g10")
        for gateway in ("g1", "g10", "g1"):
            await broker.read("one", notify=gateway)

        if end == "finish":
            [job] = (await broker.claim("w", 1, [TASK])).jobs
            await broker.finish(job, State.SUCCESS, b"{}")
        elif end == "revoke":
            await broker.revoke("one")
        elif end == "release":
            for _ in range(CRASH_LIMIT):
                [job] = (await broker.claim("w", 1, [TASK])).jobs
                await broker.release(job, crash="died")
        else:
            await redis.delete(keys.JOB + "one")
            await broker.claim("w", 1, [TASK])
        await redis.publish(keys.done("g2"), "last")

        heard = []
        while not heard or heard[-1][0] != keys.done("g2").encode():
            message = await channel.get_message(timeout=5)
            assert message is not None
            heard.append((message["channel"], message["data"]))
    stored = await redis.get(keys.RESULT + "one")
    assert sorted(heard[:-1]) == [
        (keys.done("g1").encode(), stored),
        (keys.done("g10").encode(), stored),
    ]


async def test_asking_after_the_end_answers_and_registers_nothing(
    broker: Broker, redis: ArqRedis
) -> None:
    job = await created_and_claimed(broker)
    await broker.finish(job, State.SUCCESS, b"{}")

    assert (await broker.read(job.id, notify="g1")).is_final
    assert await redis.exists(keys.META + job.id) == 0
