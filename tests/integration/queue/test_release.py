"""release: a claimed job is given back, or given up after too many crashes."""

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
    make_due,
    meta_of,
    new_job,
    spoil_meta,
)
from workers.queue import keys
from workers.queue.broker import CRASH_LIMIT, Broker
from workers.queue.records import State, Verdict


async def test_a_job_given_back_is_due_at_once_and_shows_retry(broker: Broker) -> None:
    job = await created_and_claimed(broker)

    assert await broker.release(job) is Verdict.OK
    assert (await broker.read(job.id)).state is State.RETRY
    assert await gauges(broker) == (0, 1)
    again = await claim_one(broker, OTHER)
    assert (again.id, again.attempt) == (job.id, 2)
    assert await gauges(broker) == (1, 0)


async def test_a_stop_never_counts_as_a_crash(broker: Broker, redis: ArqRedis) -> None:
    await broker.create(new_job("one"))
    for _ in range(2 * CRASH_LIMIT):
        assert await broker.release(await claim_one(broker)) is Verdict.OK

    assert "crashes" not in await meta_of(redis, "one")


async def test_a_delay_keeps_the_job_back(broker: Broker, redis: ArqRedis) -> None:
    job = await created_and_claimed(broker)
    await broker.release(job, delay=60)

    assert (await broker.claim(OTHER, 1, [TASK])).jobs == []
    await make_due(redis, job.id)
    assert (await claim_one(broker)).id == job.id


async def test_a_job_that_crashes_too_often_dies_with_the_last_reason(
    broker: Broker, redis: ArqRedis
) -> None:
    await broker.create(new_job("bad"))
    verdicts = [
        await broker.release(await claim_one(broker), crash=f"crash no {n}")
        for n in range(1, CRASH_LIMIT + 1)
    ]

    assert verdicts == [Verdict.OK] * (CRASH_LIMIT - 1) + [Verdict.DEAD]
    view = await broker.read("bad")
    assert (view.state, view.result) == (State.FAILURE, b'"crash no 3"')
    assert view.tries == CRASH_LIMIT
    await assert_nothing_left(redis)


async def test_reported_and_silent_crashes_add_up(broker: Broker, redis: ArqRedis) -> None:
    await broker.create(new_job("bad"))
    await broker.release(await claim_one(broker), crash="reported")
    for _ in range(CRASH_LIMIT - 1):
        await lapse(redis, await claim_one(broker))

    assert (await broker.claim(OTHER, 1, [TASK])).buried[0].id == "bad"


@pytest.mark.parametrize("crash", [None, "crash"])
async def test_a_zombie_cannot_give_back_what_another_runs(
    broker: Broker, redis: ArqRedis, crash: str | None
) -> None:
    zombie = await created_and_claimed(broker)
    await lapse(redis, zombie)
    heir = await claim_one(broker, OTHER)

    assert await broker.release(zombie, crash=crash) is Verdict.FENCED
    assert await broker.finish(heir, State.SUCCESS, b"{}") is Verdict.OK


async def test_giving_back_a_job_that_has_ended_changes_nothing(
    broker: Broker, redis: ArqRedis
) -> None:
    job = await created_and_claimed(broker)
    await broker.revoke(job.id)

    assert await broker.release(job) is Verdict.DUPLICATE
    assert (await broker.read(job.id)).state is State.REVOKED
    await assert_nothing_left(redis)


async def test_giving_back_twice_is_giving_back_once(broker: Broker, redis: ArqRedis) -> None:
    job = await created_and_claimed(broker)
    await broker.release(job, crash="once")

    assert await broker.release(job, crash="once") is Verdict.FENCED
    assert (await meta_of(redis, job.id))["crashes"] == "1"


@pytest.mark.parametrize("way", ["stop", "unstarted", "crash", "recover", "unclaim"])
async def test_a_job_given_back_does_not_wait_for_those_that_came_later(
    broker: Broker, redis: ArqRedis, way: str
) -> None:
    await broker.create(new_job("first"))
    [job] = (await broker.claim(WORKER, 1, [TASK], nonce="n")).jobs
    await passed(redis)
    await broker.create(new_job("later"))
    await passed(redis)
    match way:
        case "stop":
            await broker.release(job)
        case "unstarted":
            await broker.release(job, begun=False)
        case "crash":
            await broker.release(job, crash="crashed")
        case "recover":
            await broker.recover(WORKER, [TASK])
        case "unclaim":
            await broker.unclaim(WORKER, "n", [TASK])

    assert [(await claim_one(broker)).id for _ in range(2)] == ["first", "later"]


async def passed(redis: ArqRedis) -> None:
    """Until it is a millisecond later by the server's clock."""
    began = await redis.time()
    while await redis.time() < (began[0], began[1] + 1000):
        pass


@pytest.mark.parametrize("created", ["soon", "9" * 15, None])
async def test_it_is_due_at_once_whatever_is_said_of_its_creation(
    broker: Broker, redis: ArqRedis, created: str | None
) -> None:
    job = await created_and_claimed(broker)
    await spoil_meta(redis, job.id, created=created)

    await broker.release(job)

    seconds, _ = await redis.time()
    assert 0 < await redis.zscore(keys.queue(TASK), job.id) <= (seconds + 1) * 1000


async def test_what_never_ran_was_no_attempt(broker: Broker) -> None:
    job = await created_and_claimed(broker)

    assert await broker.release(job, begun=False) is Verdict.OK

    assert (await broker.read(job.id)).tries == 0
    assert (await claim_one(broker)).attempt == 1
