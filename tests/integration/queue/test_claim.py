"""claim: due jobs are handed out once, fairly, and what is beyond running is ended."""

import asyncio
import time
from collections import Counter

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
    enqueue_by_arq,
    gauges,
    lapse,
    limited,
    make_due,
    meta_of,
    new_job,
    spoil_meta,
    stored_result,
)
from workers.queue import keys
from workers.queue.broker import CRASH_LIMIT, Broker
from workers.queue.records import Buried, Lease, State, Verdict

DAY_MS = 86_400_000


async def test_hands_out_a_job_with_a_lease_and_a_token(broker: Broker, redis: ArqRedis) -> None:
    job = await created_and_claimed(broker, new_job("one"))

    assert (job.id, job.task, job.attempt, job.concurrency_key) == ("one", TASK, 1, "")
    assert job.token.startswith(f"1:{WORKER}:")
    assert await redis.get(keys.IN_PROGRESS + "one") == job.token.encode()
    assert 29_000 < await redis.pttl(keys.IN_PROGRESS + "one") <= 30_000
    view = await broker.read("one")
    assert (view.state, view.worker, view.tries) == (State.STARTED, WORKER, 1)


async def assert_kept_for_its_whole_lifetime(redis: ArqRedis) -> None:
    assert 29.9 * DAY_MS < await redis.pttl(keys.JOB + "one") <= 30 * DAY_MS
    assert 59.9 * DAY_MS < await redis.pttl(keys.META + "one") <= 60 * DAY_MS


async def test_a_running_job_does_not_expire(broker: Broker, redis: ArqRedis) -> None:
    job = await created_and_claimed(broker, new_job("one"))
    assert await redis.pttl(keys.JOB + "one") > 14 * DAY_MS, "longer than to its next renewal"
    for name in (keys.JOB, keys.META):
        await redis.pexpire(name + "one", DAY_MS)

    await broker.renew([job], longest_run=3600)
    await assert_kept_for_its_whole_lifetime(redis)


async def test_a_job_that_was_handed_back_expires_some_day(broker: Broker, redis: ArqRedis) -> None:
    job = await created_and_claimed(broker, new_job("one"))
    await broker.renew([job], longest_run=3600)

    await broker.release(job)
    await assert_kept_for_its_whole_lifetime(redis)


@pytest.mark.parametrize("made", ["long ago", "by an arq client"])
async def test_a_job_that_might_expire_soon_is_kept_as_soon_as_it_runs(
    broker: Broker, redis: ArqRedis, made: str
) -> None:
    if made == "long ago":
        await broker.create(new_job("one"))
        a_month_ago = int(time.time() * 1000) - 29 * DAY_MS
        await spoil_meta(redis, "one", created=str(a_month_ago))
    else:
        await enqueue_by_arq(redis, "one", a=1)
    assert await redis.pttl(keys.JOB + "one") > 0

    for name in (keys.JOB, keys.META):
        await redis.pexpire(name + "one", DAY_MS)

    await claim_one(broker)
    await assert_kept_for_its_whole_lifetime(redis)


async def test_hands_out_in_the_order_of_creation(broker: Broker) -> None:
    ids = [f"{n:03}" for n in range(20)]
    for job_id in ids:
        await broker.create(new_job(job_id))

    claimed = [(await broker.claim(WORKER, 5, [TASK])).jobs for _ in range(5)]
    assert [job.id for jobs in claimed for job in jobs] == ids


async def test_one_claim_may_take_thousands(broker: Broker, redis: ArqRedis) -> None:
    """More than a Lua function takes arguments: their leases are not set by one command."""
    await asyncio.gather(*(broker.create(new_job()) for _ in range(4100)))

    jobs = (await broker.claim(WORKER, 4100, [TASK])).jobs
    assert len({job.id for job in jobs}) == 4100
    first = await redis.zrange(keys.queue(TASK), 0, 0, withscores=True)
    assert first[0][1] > time.time() * 1000 + 20_000


async def test_hands_out_no_job_twice(broker: Broker) -> None:
    await created_and_claimed(broker)

    assert (await broker.claim(OTHER, 10, [TASK])).jobs == []


async def test_leaves_tasks_alone_that_were_not_asked_for(broker: Broker) -> None:
    await broker.create(new_job(task="other"))

    assert (await broker.claim(WORKER, 10, [TASK])).jobs == []


async def test_a_full_queue_does_not_starve_the_others(broker: Broker) -> None:
    for _ in range(50):
        await broker.create(new_job(task="loud"))
    for task in ("b", "c"):
        await broker.create(new_job(task=task))

    claim = await broker.claim(WORKER, 6, ["loud", "b", "c"])
    assert Counter(job.task for job in claim.jobs) == {"loud": 4, "b": 1, "c": 1}


async def test_single_claims_take_turns_among_the_queues(broker: Broker) -> None:
    for task in ("a", "b", "c") * 4:
        await broker.create(new_job(task=task))

    claims = [await broker.claim(WORKER, 1, ["a", "b", "c"]) for _ in range(6)]
    assert Counter(claim.jobs[0].task for claim in claims) == {"a": 2, "b": 2, "c": 2}


@pytest.mark.parametrize(("queues", "wanted"), [(20, 16), (8, 9), (8, 32), (3, 2), (5, 1)])
async def test_claims_take_turns_among_many_queues(
    broker: Broker, queues: int, wanted: int
) -> None:
    tasks = [f"t{number:02}" for number in range(queues)]
    for task in tasks * 5 * wanted:
        await broker.create(new_job(task=task))

    claims = [await broker.claim(WORKER, wanted, tasks) for _ in range(3 * queues)]
    came = Counter(job.task for claim in claims for job in claim.jobs)
    assert came == dict.fromkeys(tasks, 3 * wanted)


async def test_few_queues_give_what_one_claim_takes_of_many(broker: Broker) -> None:
    tasks = [f"t{number:02}" for number in range(20)]
    for task in tasks * 4:
        await broker.create(new_job(task=task))

    claim = await broker.claim(WORKER, 32, tasks)

    assert Counter(Counter(job.task for job in claim.jobs).values()) == {4: 8}


async def test_an_expired_lease_is_handed_out_again_with_a_new_token(
    broker: Broker, redis: ArqRedis
) -> None:
    lost = await created_and_claimed(broker)
    await lapse(redis, lost)

    again = await claim_one(broker, OTHER)

    assert (again.id, again.attempt) == (lost.id, 2)
    assert again.token != lost.token
    assert (await meta_of(redis, lost.id))["crashes"] == "1"
    assert await gauges(broker) == (1, 0)


async def test_a_job_whose_worker_is_lost_too_often_is_given_up(
    broker: Broker, redis: ArqRedis
) -> None:
    await broker.create(new_job("bad"))
    for _ in range(CRASH_LIMIT):
        await lapse(redis, await claim_one(broker, OTHER))

    claim = await broker.claim(WORKER, 1, [TASK])

    assert claim.jobs == []
    assert claim.buried == [Buried("bad", TASK, State.FAILURE)]
    view = await broker.read("bad")
    assert view.state is State.FAILURE
    assert f"{CRASH_LIMIT} attempts" in view.result.decode()
    assert OTHER in view.result.decode()
    await assert_nothing_left(redis)


async def test_a_job_that_is_given_up_does_not_hold_up_its_neighbours(
    broker: Broker, redis: ArqRedis
) -> None:
    await broker.create(new_job("bad"))
    await spoil_meta(redis, "bad", token="x", crashes=str(CRASH_LIMIT - 1))
    await broker.create(new_job("good"))

    claim = await broker.claim(WORKER, 1, [TASK])
    assert [job.id for job in claim.jobs] == ["good"]


async def test_a_job_whose_data_is_gone_fails_as_expired(broker: Broker, redis: ArqRedis) -> None:
    await broker.create(new_job("old"))
    await redis.delete(keys.JOB + "old")

    claim = await broker.claim(WORKER, 1, [TASK])

    assert claim.buried == [Buried("old", TASK, State.FAILURE)]
    assert "expired" in (await broker.read("old")).result.decode()
    await assert_nothing_left(redis)


async def test_an_entry_with_nothing_behind_it_ends_as_expired(
    broker: Broker, redis: ArqRedis
) -> None:
    await redis.zadd(keys.queue(TASK), {"ghost": 1})

    assert (await broker.claim(WORKER, 1, [TASK])).jobs == []
    await assert_nothing_left(redis)


async def test_an_entry_that_has_a_result_is_dropped(broker: Broker, redis: ArqRedis) -> None:
    job = await created_and_claimed(broker)
    await broker.finish(job, State.SUCCESS, b"{}")
    before = await redis.get(keys.RESULT + job.id)
    await redis.zadd(keys.queue(TASK), {job.id: 1})

    claim = await broker.claim(WORKER, 1, [TASK])

    assert (claim.jobs, claim.buried) == ([], [])
    assert await redis.get(keys.RESULT + job.id) == before
    await assert_nothing_left(redis)


async def test_a_queued_job_that_arq_aborted_ends_as_revoked(
    broker: Broker, redis: ArqRedis
) -> None:
    await broker.create(new_job("one"))
    await redis.zadd(keys.ABORT, {"one": 1})

    claim = await broker.claim(WORKER, 1, [TASK])

    assert claim.buried == [Buried("one", TASK, State.REVOKED)]
    assert (await stored_result(redis, "one") or {})["x"] == "REVOKED"
    await assert_nothing_left(redis)


async def test_a_running_job_that_arq_made_due_is_not_handed_out(
    broker: Broker, redis: ArqRedis
) -> None:
    job = await created_and_claimed(broker)
    await make_due(redis, job.id)  # as arq's abort() does
    await redis.zadd(keys.ABORT, {job.id: 1})

    claim = await broker.claim(OTHER, 1, [TASK])

    assert (claim.jobs, claim.buried) == ([], [])
    left = await redis.pttl(keys.IN_PROGRESS + job.id)
    server = await redis.time()
    now = server[0] * 1000 + server[1] // 1000
    assert abs(await redis.zscore(keys.queue(TASK), job.id) - now - left) < 1000


@pytest.mark.parametrize("data", [b"\x80\x04K\x01.", b"{", b"", b"null", b"\xff\xfe", b"[]"])
async def test_garbage_in_place_of_a_job_is_handed_out_and_can_be_finished(
    broker: Broker, redis: ArqRedis, data: bytes
) -> None:
    await redis.set(keys.JOB + "odd", data)
    await redis.zadd(keys.queue(TASK), {"odd": 1})

    job = await claim_one(broker)
    assert job.data == data
    await broker.finish(job, State.FAILURE, b'"unreadable"', readable=False)

    result = await stored_result(redis, "odd")
    assert result is not None
    assert (result["f"], result["r"], result["s"]) == (TASK, "unreadable", False)
    assert (await broker.read("odd")).state is State.FAILURE
    await assert_nothing_left(redis)


async def test_a_key_of_the_wrong_type_costs_only_its_own_job(
    broker: Broker, redis: ArqRedis
) -> None:
    await redis.rpush(keys.JOB + "odd", "not a string")
    await redis.zadd(keys.queue(TASK), {"odd": 1})
    await broker.create(new_job("good"))

    claim = await broker.claim(WORKER, 2, [TASK])

    assert [job.id for job in claim.jobs] == ["good"]
    assert [buried.id for buried in claim.buried] == ["odd"]
    await broker.finish(claim.jobs[0], State.SUCCESS, b"{}")
    await assert_nothing_left(redis)


async def test_looks_at_a_bounded_number_of_entries(broker: Broker, redis: ArqRedis) -> None:
    await redis.zadd(keys.queue(TASK), {f"ghost-{n}": 1 for n in range(500)})
    await broker.create(new_job("real"))

    first = await broker.claim(WORKER, 4, [TASK])

    assert first.jobs == []
    assert len(first.buried) == 4 + 64
    assert await redis.llen(keys.wake(TASK)) == 1, "the rest is announced"
    later = [await broker.claim(WORKER, 4, [TASK]) for _ in range(8)]
    assert [job.id for claim in later for job in claim.jobs] == ["real"]


async def test_a_hundred_running_jobs_do_not_hide_a_new_one(broker: Broker) -> None:
    for _ in range(150):
        await broker.create(new_job())
    assert len((await broker.claim(WORKER, 150, [TASK])).jobs) == 150
    await broker.create(new_job("new"))

    assert (await claim_one(broker, OTHER)).id == "new"


async def test_a_job_enqueued_by_arq_gets_what_a_job_of_ours_has(
    broker: Broker, redis: ArqRedis
) -> None:
    await enqueue_by_arq(redis, "one", a=1)

    job = await claim_one(broker)
    view = await broker.read("one")

    assert orjson.loads(job.data)["k"] == {"a": 1}
    assert (view.state, view.task, view.tries) == (State.STARTED, TASK, 1)
    assert view.created_ms is not None
    await broker.finish(job, State.SUCCESS, b'{"b":2}')
    assert (await broker.read("one")).result == b'{"b":2}'
    await assert_nothing_left(redis)


SPOILT = {
    "meta a string": (keys.META, "SET", "text"),
    "meta a list": (keys.META, "RPUSH", "x"),
    "meta a JSON list": (keys.META, "SET", '["x"]'),
    "meta of other types": (keys.META, "SET", '{"task":{},"attempts":1}'),
}


@pytest.mark.parametrize("how", SPOILT)
async def test_garbage_under_a_jobs_names_ends_that_job_only(
    broker: Broker, redis: ArqRedis, how: str
) -> None:
    spoilt, good = new_job(), new_job()
    await broker.create(spoilt)
    await broker.create(good)
    key, command, value = SPOILT[how]
    await redis.delete(key + spoilt.id)
    await redis.execute_command(command, key + spoilt.id, value)

    claim = await broker.claim(WORKER, 5, [TASK])

    assert [job.id for job in claim.jobs] == [good.id]
    assert claim.buried == [Buried(spoilt.id, TASK, State.FAILURE)]
    assert "unreadable" in (await broker.read(spoilt.id)).text
    await broker.finish(claim.jobs[0], State.SUCCESS, b"{}")
    await assert_nothing_left(redis)


async def test_a_limit_that_is_not_there_ends_that_job_only(
    broker: Broker, redis: ArqRedis
) -> None:
    spoilt, good = new_job(concurrency=limited(1)), new_job()
    await broker.create(spoilt)
    await broker.create(good)
    await spoil_meta(redis, spoilt.id, limit=None)

    claim = await broker.claim(WORKER, 5, [TASK])

    assert ([job.id for job in claim.jobs], len(claim.buried)) == ([good.id], 1)


async def test_a_lost_attempt_that_was_only_taken_ahead_is_no_crash_but_once(
    broker: Broker, redis: ArqRedis
) -> None:
    for _ in range(3):
        await broker.create(new_job())
    first, ahead, _ = (await broker.claim(WORKER, 3, [TASK], ahead=2)).jobs
    for job in (first, ahead):
        await lapse(redis, job)

    again = (await broker.claim(OTHER, 2, [TASK], ahead=2)).jobs
    crashes = {job.id: (await meta_of(redis, job.id)).get("crashes") for job in again}
    assert crashes == {first.id: "1", ahead.id: None}

    for job in again:
        await lapse(redis, job)
    await broker.claim(OTHER, 2, [TASK], ahead=2)
    crashes = {job.id: (await meta_of(redis, job.id)).get("crashes") for job in again}
    assert crashes == {first.id: "2", ahead.id: "1"}


async def test_a_claim_that_arrives_late_does_not_take_what_its_worker_holds(
    redis: ArqRedis,
) -> None:
    """As one that a network kept for minutes: nobody awaits its answer any more."""
    broker = Broker(redis, result_expires=3600, lease=0.6)
    held = await created_and_claimed(broker)
    await redis.client_pause(900)  # longer than the lease
    late = await broker.claim(WORKER, 1, [TASK])
    assert late.jobs == []

    assert await broker.renew([held], longest_run=60) == [Lease.OK]
    assert (await broker.claim(WORKER, 1, [TASK])).jobs == []
    assert await broker.finish(held, State.SUCCESS, b"{}") is Verdict.OK
