"""renew: the leases of all jobs of a worker in one call."""

import pytest
from arq.connections import ArqRedis

from tests.queue_state import (
    OTHER,
    TASK,
    assert_nothing_left,
    claim_one,
    created_and_claimed,
    lapse,
    limited,
    meta_of,
    new_job,
    spoil_meta,
)
from workers.queue import keys
from workers.queue.broker import Broker
from workers.queue.records import Lease, State, Verdict

LONG = 3600.0


async def test_prolongs_a_lease(broker: Broker, redis: ArqRedis) -> None:
    job = await created_and_claimed(broker)
    await redis.pexpire(keys.IN_PROGRESS + job.id, 1000)
    before = await redis.zscore(keys.queue(TASK), job.id)

    assert await broker.renew([job], LONG) == [Lease.OK]
    assert await redis.pttl(keys.IN_PROGRESS + job.id) > 29_000
    assert await redis.zscore(keys.queue(TASK), job.id) >= before


async def test_without_jobs_there_is_nothing_to_ask(broker: Broker) -> None:
    assert await broker.renew([], LONG) == []


async def test_answers_each_job_in_order(broker: Broker, redis: ArqRedis) -> None:
    held, revoked, lost = [await created_and_claimed(broker) for _ in range(3)]
    await broker.revoke(revoked.id)
    await lapse(redis, lost)
    await claim_one(broker, OTHER)

    assert await broker.renew([lost, held, revoked], LONG) == [Lease.LOST, Lease.OK, Lease.ABORT]


async def test_takes_a_lease_up_again_that_ran_out_unseen(broker: Broker, redis: ArqRedis) -> None:
    job = await created_and_claimed(broker)
    await lapse(redis, job)

    assert await broker.renew([job], LONG) == [Lease.OK]
    assert (await broker.claim(OTHER, 1, [TASK])).jobs == []
    assert await broker.finish(job, State.SUCCESS, b"{}") is Verdict.OK


async def test_ends_a_running_job_that_arq_aborted(broker: Broker, redis: ArqRedis) -> None:
    job = await created_and_claimed(broker)
    await redis.zadd(keys.ABORT, {job.id: await _now_ms(redis)})

    assert await broker.renew([job], LONG) == [Lease.ABORT]
    assert (await broker.read(job.id)).state is State.REVOKED
    assert await broker.finish(job, State.SUCCESS, b"{}") is Verdict.DUPLICATE
    await assert_nothing_left(redis)


async def test_gives_a_job_away_that_ran_longer_than_the_longest_run(
    broker: Broker, redis: ArqRedis
) -> None:
    job = await created_and_claimed(broker)
    started = int((await meta_of(redis, job.id))["started"])
    await spoil_meta(redis, job.id, started=str(started - 10_000))

    assert await broker.renew([job], 11) == [Lease.OK]
    assert await broker.renew([job], 9) == [Lease.LOST]
    assert (await claim_one(broker, OTHER)).id == job.id


@pytest.mark.parametrize("expire", [1800, 5])
async def test_keeps_the_place_in_the_concurrency_key(
    broker: Broker, redis: ArqRedis, expire: float
) -> None:
    job = await created_and_claimed(broker, new_job(concurrency=limited(1, expire=expire)))
    await redis.zadd(keys.HOLDERS + f"{TASK}:k", {job.id: 1})

    await broker.renew([job], LONG)

    left = await redis.zscore(keys.HOLDERS + f"{TASK}:k", job.id) - await _now_ms(redis)
    assert abs(left - min(expire, 30) * 1000) < 1000


async def test_forgets_aborts_of_ids_that_never_come_up(broker: Broker, redis: ArqRedis) -> None:
    job = await created_and_claimed(broker)
    await redis.zadd(keys.ABORT, {"never": 1})

    await broker.renew([job], LONG)
    assert await redis.zcard(keys.ABORT) == 0


async def _now_ms(redis: ArqRedis) -> int:
    seconds, micros = await redis.time()
    return int(seconds * 1000 + micros // 1000)


async def test_garbage_under_one_jobs_names_leaves_the_other_leases_alone(
    broker: Broker, redis: ArqRedis
) -> None:
    spoilt, good = await created_and_claimed(broker), await created_and_claimed(broker)
    await redis.set(keys.META + spoilt.id, "text")

    assert await broker.renew([spoilt, good], LONG) == [Lease.LOST, Lease.OK]
