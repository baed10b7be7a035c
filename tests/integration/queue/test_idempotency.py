"""Idempotency keys: one key and body, one job, for as long as the job can be read."""

import asyncio

import pytest
from arq.connections import ArqRedis

from tests.queue_state import (
    TASK,
    WORKER,
    assert_nothing_left,
    claim_one,
    lapse,
    meta_of,
    new_job,
    spoil_meta,
)
from workers.queue import keys
from workers.queue.broker import Broker
from workers.queue.errors import KeyReusedError
from workers.queue.records import Idempotency, NewJob, State

NAME = keys.idempotency("ann", TASK, "key")
KEY = keys.IDEMPOTENCY + NAME
DAY = 24 * 3600 * 1000  # ms


def keyed(job_id: str = "", body: str = "b1", name: str = NAME) -> NewJob:
    """A job with an idempotency key."""
    return new_job(job_id, idempotency=Idempotency(name, body))


async def test_a_job_with_a_key_is_created_as_any_other(broker: Broker) -> None:
    view = await broker.create(keyed("one"))

    assert view is not None
    assert (view.id, view.state) == ("one", State.PENDING)
    assert view == await broker.read("one")


@pytest.mark.parametrize("stage", ["queued", "running", "released", "ended", "revoked"])
async def test_the_same_again_is_the_job_as_it_stands(
    broker: Broker, redis: ArqRedis, stage: str
) -> None:
    await broker.create(keyed("one"))
    if stage == "revoked":
        await broker.revoke("one")
    elif stage != "queued":
        job = await claim_one(broker)
        if stage == "released":
            await broker.release(job, delay=60)
        elif stage == "ended":
            await broker.finish(job, State.SUCCESS, b'{"b":1}')
    before = await broker.read("one")

    assert await broker.create(keyed("two")) == before
    assert not (await broker.read("two")).known
    assert await redis.zcard(keys.queue(TASK)) == (0 if before.is_final else 1)


async def test_another_body_is_refused_and_changes_nothing(broker: Broker, redis: ArqRedis) -> None:
    await broker.create(keyed("one", "b1"))
    before = await meta_of(redis, "one")

    with pytest.raises(KeyReusedError, match="another body"):
        await broker.create(keyed("two", "b2"), notify="g1")

    assert await meta_of(redis, "one") == before
    assert not (await broker.read("two")).known


async def test_other_keys_make_other_jobs(broker: Broker) -> None:
    triples = [
        ("a", "b", "c"),
        ("ab", "", "c"),
        ("a", "bc", ""),
        ("a", 'b","', "c"),
        ("b", "a", "c"),
    ]
    names = [keys.idempotency(*triple) for triple in triples]
    views = [await broker.create(keyed(name=name)) for name in names]

    assert len(set(names)) == len({view.id for view in views if view}) == len(triples)


async def test_of_many_at_once_one_makes_the_job(broker: Broker, redis: ArqRedis) -> None:
    views = await asyncio.gather(*(broker.create(keyed()) for _ in range(100)))

    assert len({view.id for view in views if view}) == 1
    assert await redis.zcard(keys.queue(TASK)) == 1


async def test_a_repeat_may_wait_for_the_end_too(broker: Broker, redis: ArqRedis) -> None:
    await broker.create(keyed("one"), notify="g1")
    await broker.create(keyed("two"), notify="g2")

    assert (await meta_of(redis, "one"))["notify"] == "g1 g2 "


async def test_the_key_lives_as_long_as_its_job_and_then_its_result(
    broker: Broker, redis: ArqRedis
) -> None:
    await broker.create(keyed("one"))
    assert 59.9 * DAY < await redis.pttl(KEY) <= 60 * DAY

    await redis.pexpire(KEY, DAY)
    job = await claim_one(broker)
    await broker.renew([job], longest_run=3600)
    assert 59.9 * DAY < await redis.pttl(KEY) <= await redis.pttl(keys.META + "one") + 1000
    await lapse(redis, job)
    job = await claim_one(broker)

    await broker.finish(job, State.SUCCESS, b"{}")
    assert abs(await redis.pttl(KEY) - await redis.pttl(keys.RESULT + "one")) <= 1000
    await assert_nothing_left(redis)


@pytest.mark.parametrize("way", ["revoke", "given up", "crashes", "abort"])
async def test_every_end_gives_the_key_the_lifetime_of_the_result(
    broker: Broker, redis: ArqRedis, way: str
) -> None:
    await broker.create(keyed("one"))
    match way:
        case "revoke":
            await broker.revoke("one")
        case "given up":
            await spoil_meta(redis, "one", token="x", crashes="2")
            await broker.claim(WORKER, 1, [TASK])
        case "crashes":
            for _ in range(3):
                await broker.release(await claim_one(broker), crash="crash")
        case "abort":
            await redis.zadd(keys.ABORT, {"one": 1})
            await broker.claim(WORKER, 1, [TASK])

    assert (await broker.read("one")).is_final
    assert 590_000 < await redis.pttl(KEY) <= 600_000


async def test_a_key_whose_job_has_vanished_makes_a_new_one_of_any_body(
    broker: Broker, redis: ArqRedis
) -> None:
    await broker.create(keyed("one"))
    await broker.finish(await claim_one(broker), State.SUCCESS, b"{}")
    await redis.delete(keys.RESULT + "one")

    view = await broker.create(keyed("two", "b2"))

    assert view is not None
    assert view.id == "two"
    assert (await claim_one(broker)).id == "two"


async def test_a_key_goes_with_its_result(redis: ArqRedis) -> None:
    broker = Broker(redis, result_expires=0.05)
    await broker.create(keyed("one"))
    await broker.finish(await claim_one(broker), State.SUCCESS, b"{}")
    await asyncio.sleep(0.1)

    assert await redis.exists(KEY) == 0
    assert (await broker.create(keyed("two"))).id == "two"  # type: ignore[union-attr]


async def test_a_job_without_a_key_keeps_nothing_for_it(broker: Broker, redis: ArqRedis) -> None:
    await broker.create(new_job("one"))

    assert "idempotency" not in await meta_of(redis, "one")
    assert [key async for key in redis.scan_iter(keys.IDEMPOTENCY + "*")] == []


async def test_garbage_in_place_of_a_key_counts_as_none(broker: Broker, redis: ArqRedis) -> None:
    await redis.set(KEY, b"nonsense")

    assert (await broker.create(keyed("one"))).id == "one"  # type: ignore[union-attr]
