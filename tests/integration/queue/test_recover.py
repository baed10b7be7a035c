"""recover: a worker that starts again takes back at once what it died with."""

import pytest
from arq.connections import ArqRedis

from tests.queue_state import OTHER, TASK, WORKER, claim_one, created_and_claimed, meta_of, new_job
from tests.waiting import eventually
from workers.queue import keys
from workers.queue.broker import Broker
from workers.queue.records import Concurrency, State, Verdict


@pytest.fixture
def hasty(redis: ArqRedis) -> Broker:
    """The door of a worker whose leases are short."""
    return Broker(redis, result_expires=600, lease=0.3)


async def test_own_jobs_are_due_at_once_and_the_crash_counts(
    broker: Broker, redis: ArqRedis
) -> None:
    lost = await created_and_claimed(broker)

    assert await broker.recover(WORKER, [TASK]) == 1
    again = await claim_one(broker)
    assert (again.id, again.attempt) == (lost.id, 2)
    assert (await meta_of(redis, lost.id))["crashes"] == "1"
    assert await broker.finish(lost, State.SUCCESS, b"{}") is Verdict.FENCED


async def test_jobs_of_others_stay_where_they_are(broker: Broker) -> None:
    await broker.create(new_job())
    job = await claim_one(broker, OTHER)

    assert await broker.recover(WORKER, [TASK]) == 0
    assert await broker.finish(job, State.SUCCESS, b"{}") is Verdict.OK


async def test_a_job_that_waits_for_its_time_goes_on_waiting(broker: Broker) -> None:
    job = await created_and_claimed(broker)
    await broker.release(job, delay=60)

    assert await broker.recover(WORKER, [TASK]) == 0
    assert (await broker.claim(WORKER, 1, [TASK])).jobs == []


async def test_looks_at_all_tasks_it_was_given(broker: Broker) -> None:
    for task in ("a", "b", "c"):
        await created_and_claimed(broker, new_job(task=task))

    assert await broker.recover(WORKER, ["a", "b"]) == 2
    assert await broker.recover(WORKER, ["c"]) == 1


async def test_recovering_twice_counts_one_crash(broker: Broker, redis: ArqRedis) -> None:
    job = await created_and_claimed(broker)
    await broker.recover(WORKER, [TASK])
    await broker.recover(WORKER, [TASK])

    await claim_one(broker)
    assert (await meta_of(redis, job.id))["crashes"] == "1"


async def test_a_claim_whose_answer_was_lost_is_undone_without_a_trace(
    broker: Broker, redis: ArqRedis
) -> None:
    for _ in range(3):
        await broker.create(new_job())
    lost = (await broker.claim(WORKER, 2, [TASK], nonce="lost")).jobs
    kept = (await broker.claim(WORKER, 1, [TASK], nonce="kept")).jobs

    assert await broker.unclaim(WORKER, "lost", [TASK]) == 2

    again = (await broker.claim(OTHER, 5, [TASK])).jobs
    assert {job.id for job in again} == {job.id for job in lost}
    assert {job.attempt for job in again} == {1}
    assert "crashes" not in await meta_of(redis, again[0].id)
    assert await broker.finish(kept[0], State.SUCCESS, b"{}") is Verdict.OK


async def test_undoing_a_claim_gives_back_its_place(broker: Broker) -> None:
    limit = Concurrency("key", 1, 60_000, 60_000)
    await broker.create(new_job(concurrency=limit))
    await broker.claim(WORKER, 1, [TASK], nonce="lost")
    await broker.unclaim(WORKER, "lost", [TASK])
    assert len((await broker.claim(OTHER, 1, [TASK])).jobs) == 1


async def test_a_claim_is_undone_also_when_its_leases_have_run_out(
    redis: ArqRedis, hasty: Broker
) -> None:
    await hasty.claim(WORKER, 1, [TASK])  # which tells it the server's time
    for _ in range(2):
        await hasty.create(new_job())
    [lost] = (await hasty.claim(WORKER, 1, [TASK], nonce="lost")).jobs

    async def lease_has_run_out() -> bool:
        return not await redis.exists(keys.IN_PROGRESS + lost.id)

    await eventually(lease_has_run_out)
    assert await hasty.unclaim(WORKER, "lost", [TASK]) == 1

    again = (await hasty.claim(OTHER, 5, [TASK])).jobs
    assert [job.attempt for job in again] == [1, 1]
    assert "crashes" not in await meta_of(redis, lost.id)


async def test_a_claim_that_took_nothing_is_undone_as_well(broker: Broker) -> None:
    assert await broker.unclaim(WORKER, "never", [TASK]) == 0


async def test_garbage_does_not_keep_a_worker_from_starting(
    broker: Broker, redis: ArqRedis
) -> None:
    spoilt, _ = await created_and_claimed(broker), await created_and_claimed(broker)
    await redis.set(keys.META + spoilt.id, "text")

    assert await broker.recover(WORKER, [TASK]) == 1
