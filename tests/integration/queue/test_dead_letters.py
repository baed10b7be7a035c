"""Dead letters: what cannot be run is kept, listed and run again."""

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
    enqueue_by_arq,
    lapse,
    limited,
    new_job,
    spoil_meta,
)
from workers.queue import keys
from workers.queue.broker import CRASH_LIMIT, Broker
from workers.queue.errors import QueueError, UnreadableLetterError
from workers.queue.records import Buried, DeadLetter, DeadLetters, State, Verdict

DAY = 24 * 3600 * 1000  # ms
BIG = b'{"a":123456789012345678901234567890,"b":[1.0,{"\\u0000et":",\\"et\\":7}"}]}'


async def die(broker: Broker, job_id: str = "bad", crash: str = "crash", **fields: object) -> None:
    """Have a job crash until it is given up."""
    await broker.create(new_job(job_id, **fields))
    verdicts = [
        await broker.release(await claim_one(broker), crash=crash) for _ in range(CRASH_LIMIT)
    ]
    assert verdicts[-1] is Verdict.DEAD


async def only_letter(broker: Broker) -> DeadLetter:
    """The one dead letter that there is."""
    found = await broker.dead_letters(10)
    assert found.total == len(found.letters) == 1
    return found.letters[0]


# ---- what becomes one -----------------------------------------------------------------------


async def test_a_job_that_crashed_too_often_is_kept(broker: Broker) -> None:
    await die(broker, crash="Traceback\nkilled by signal 9")

    view = await broker.read("bad")
    assert view.state is State.FAILURE
    assert await only_letter(broker) == DeadLetter(
        id="bad", task=TASK, owner="ann", died_ms=view.finished_ms or 0,
        created_ms=view.created_ms, worker=WORKER, reason="Traceback\nkilled by signal 9",
        attempts=CRASH_LIMIT, replayable=True,
    )  # fmt: skip


async def test_a_job_whose_worker_was_lost_too_often_is_kept(
    broker: Broker, redis: ArqRedis
) -> None:
    await broker.create(new_job("bad"))
    for _ in range(CRASH_LIMIT):
        await lapse(redis, await claim_one(broker, OTHER))
    await broker.claim(WORKER, 1, [TASK])

    letter = await only_letter(broker)
    assert (letter.id, letter.worker, letter.attempts) == ("bad", OTHER, CRASH_LIMIT)
    assert letter.reason == (await broker.read("bad")).text
    await assert_nothing_left(redis)


@pytest.mark.parametrize("data", [b"\x80\x04K\x01.", b"{", b"", b"null", b"\xff\xfe", b"[]"])
async def test_a_job_that_is_unreadable_is_kept_as_it_was_stored(
    broker: Broker, redis: ArqRedis, data: bytes
) -> None:
    await redis.set(keys.JOB + "odd", data)
    await redis.zadd(keys.queue(TASK), {"odd": 1})
    await broker.finish(await claim_one(broker), State.FAILURE, b'"unreadable"', readable=False)

    letter = await only_letter(broker)
    assert (letter.id, letter.reason, letter.replayable) == ("odd", "unreadable", False)
    assert await redis.hget(keys.DEAD_LETTER + "odd", "job") == data


@pytest.mark.parametrize("name", [keys.JOB, keys.META])
async def test_a_key_of_the_wrong_type_costs_its_own_job_and_is_kept(
    broker: Broker, redis: ArqRedis, name: str
) -> None:
    await broker.create(new_job("odd"))
    await redis.delete(name + "odd")
    await redis.zadd(name + "odd", {"what": 1})
    await broker.create(new_job("good"))

    claim = await broker.claim(WORKER, 2, [TASK])

    assert claim.buried == [Buried("odd", TASK, State.FAILURE)]
    assert [job.id for job in claim.jobs] == ["good"]
    view = await broker.read("odd")
    assert view.state is State.FAILURE
    assert "unreadable" in view.text
    assert (await only_letter(broker)).replayable is (name != keys.JOB)
    await broker.finish(claim.jobs[0], State.SUCCESS, b"{}")
    await assert_nothing_left(redis)


async def test_crashes_that_are_no_number_are_garbage_too(broker: Broker, redis: ArqRedis) -> None:
    job = await created_and_claimed(broker, new_job("odd"))
    await spoil_meta(redis, "odd", crashes="many", attempts="some")
    await lapse(redis, job)

    assert [one.id for one in (await broker.claim(WORKER, 1, [TASK])).buried] == ["odd"]
    assert (await only_letter(broker)).attempts == 0


async def test_attempts_that_are_no_number_begin_anew(broker: Broker, redis: ArqRedis) -> None:
    await broker.create(new_job("odd"))
    await spoil_meta(redis, "odd", attempts="many")

    job = await claim_one(broker)
    assert job.attempt == 1
    assert await broker.finish(job, State.SUCCESS, b"{}") is Verdict.OK


async def test_garbage_does_not_disturb_whoever_runs_or_looks_at_the_job(
    broker: Broker, redis: ArqRedis
) -> None:
    job, good = [await created_and_claimed(broker) for _ in range(2)]
    await redis.delete(keys.META + job.id)
    await redis.set(keys.META + job.id, "what")

    assert await broker.renew([job, good], 3600) == ["LOST", "OK"]
    assert await broker.finish(job, State.SUCCESS, b"{}") is Verdict.FENCED
    assert await broker.release(job) is Verdict.FENCED
    assert (await broker.read(job.id, "g1")).state is State.PENDING
    assert (await broker.revoke(job.id)).accepted


async def test_a_server_that_takes_no_writes_is_no_reason_to_bury_a_job(
    own_broker: Broker, own_redis: ArqRedis
) -> None:
    await own_broker.create(new_job("one"))
    await own_redis.config_set("min-replicas-to-write", 1)
    with pytest.raises(QueueError, match="replicas"):
        await own_broker.claim(WORKER, 1, [TASK])
    await own_redis.config_set("min-replicas-to-write", 0)

    assert (await claim_one(own_broker)).id == "one"
    assert (await own_broker.dead_letters(1)).total == 0


@pytest.mark.parametrize("state", [State.SUCCESS, State.FAILURE, State.REVOKED])
async def test_other_endings_are_not_kept(broker: Broker, state: State) -> None:
    await broker.finish(await created_and_claimed(broker), state, b'"text"')

    assert (await broker.dead_letters(1)).total == 0


async def test_a_job_that_expired_unrun_or_was_revoked_is_not_kept(
    broker: Broker, redis: ArqRedis
) -> None:
    await broker.create(new_job("old"))
    await redis.delete(keys.JOB + "old")
    job = await created_and_claimed(broker, new_job(task="other"))
    await broker.revoke(job.id)
    await broker.finish(job, State.FAILURE, b'""', readable=False)

    assert [one.id for one in (await broker.claim(WORKER, 1, [TASK])).buried] == ["old"]
    assert (await broker.dead_letters(1)).total == 0


async def test_of_a_long_reason_the_end_is_kept(broker: Broker) -> None:
    await die(broker, crash="é" * 100_000 + "\nthe reason")

    reason = (await only_letter(broker)).reason
    assert reason.endswith("é\nthe reason")
    assert len(reason) <= 4096


# ---- how long -------------------------------------------------------------------------------


async def test_letters_are_kept_for_thirty_days(broker: Broker, redis: ArqRedis) -> None:
    await die(broker)

    for name in (keys.DEAD, keys.DEAD_LETTER + "bad"):
        assert 29.9 * DAY < await redis.pttl(name) <= 30 * DAY


async def test_older_letters_are_not_listed_and_dropped_with_the_next_one(
    broker: Broker, redis: ArqRedis
) -> None:
    await die(broker)
    server = await redis.time()
    await redis.zadd(keys.DEAD, {"bad": server[0] * 1000 - 31 * DAY})

    assert await broker.dead_letters(10) == DeadLetters(0, [])
    await die(broker, "worse")
    assert await redis.zrange(keys.DEAD, 0, -1) == [b"worse"]
    assert await redis.exists(keys.DEAD_LETTER + "bad") == 0


async def test_of_too_many_letters_the_oldest_are_dropped_a_few_at_a_time(
    broker: Broker, redis: ArqRedis
) -> None:
    server = await redis.time()
    now = server[0] * 1000
    old = {f"old-{n:05}": now - 20_000 + n for n in range(10_020)}
    await redis.zadd(keys.DEAD, old)
    await redis.hset(keys.DEAD_LETTER + "old-00000", mapping={"task": TASK})

    await die(broker)
    assert await redis.zcard(keys.DEAD) == 10_021 - 16
    await die(broker, "worse")

    assert await redis.zcard(keys.DEAD) == 10_000
    assert await redis.exists(keys.DEAD_LETTER + "old-00000") == 0
    assert [letter.id for letter in (await broker.dead_letters(2)).letters] == ["worse", "bad"]


async def test_the_latest_are_listed_first_and_all_are_counted(broker: Broker) -> None:
    for n in range(5):
        await die(broker, f"bad-{n}")
        await asyncio.sleep(0.002)

    found = await broker.dead_letters(2)
    assert [letter.id for letter in found.letters] == ["bad-4", "bad-3"]
    assert found.total == 5


# ---- replay ---------------------------------------------------------------------------------


async def test_a_replay_is_a_new_job_of_the_same_parameters(broker: Broker) -> None:
    await die(broker, params=BIG, owner="eve")

    view = await broker.replay("bad", "new")

    assert view is not None
    assert (view.id, view.state, view.owner, view.tries) == ("new", State.PENDING, "eve", 0)
    assert view == await broker.read("new")
    job = await claim_one(broker)
    assert (job.id, job.attempt) == ("new", 1)
    created = b"%d" % (view.created_ms or 0)
    before, after = job.data.split(BIG)
    assert before + b"{}" + after == (
        b'{"t":null,"f":"add","a":[],"k":{},"et":' + created + b',"v":true}'
    )
    assert (await broker.read("bad")).state is State.FAILURE, "its result never changes"


async def test_a_replay_drops_the_letter(broker: Broker, redis: ArqRedis) -> None:
    await die(broker)
    views = await asyncio.gather(*(broker.replay("bad", f"new-{n}") for n in range(20)))

    assert len([view for view in views if view]) == 1
    assert await redis.exists(keys.DEAD, keys.DEAD_LETTER + "bad") == 0
    assert await redis.zcard(keys.queue(TASK)) == 1


async def test_a_replay_keeps_the_concurrency_key(broker: Broker) -> None:
    await die(broker, concurrency=limited(1, "k", 5, 7))
    await broker.replay("bad", "new")

    assert (await claim_one(broker)).concurrency_key == "k"


async def test_a_replay_of_an_arq_clients_job_is_checked_again(
    broker: Broker, redis: ArqRedis
) -> None:
    await enqueue_by_arq(redis, "theirs", a=1)
    for _ in range(CRASH_LIMIT):
        await broker.release(await claim_one(broker), crash="crash")
    await broker.replay("theirs", "new")

    stored = orjson.loads((await claim_one(broker)).data)
    assert (stored["k"], stored["f"], "v" in stored) == ({"a": 1}, TASK, False)


async def test_an_unknown_letter_cannot_be_replayed(broker: Broker, redis: ArqRedis) -> None:
    assert await broker.replay("nobody", "new") is None
    assert [key async for key in redis.scan_iter()] == []


@pytest.mark.parametrize(
    "data", [b"\x80\x04K\x01.", b"[]", b'{"f":"other","k":{}}', b'{"f":"add"}']
)
async def test_an_unreadable_letter_cannot_be_replayed_and_stays(
    broker: Broker, redis: ArqRedis, data: bytes
) -> None:
    await redis.set(keys.JOB + "odd", data)
    await redis.zadd(keys.queue(TASK), {"odd": 1})
    for _ in range(CRASH_LIMIT):
        await broker.release(await claim_one(broker), crash="crash")

    with pytest.raises(UnreadableLetterError, match="unreadable"):
        await broker.replay("odd", "new")
    assert (await only_letter(broker)).id == "odd"
    assert not (await broker.read("new")).known
