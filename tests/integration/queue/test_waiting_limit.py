"""How many jobs of one owner may wait: counted at create, and only if there is a limit."""

import asyncio

import pytest
from arq.connections import ArqRedis

from tests.queue_state import WORKER, claim_one, new_job
from workers.queue import keys
from workers.queue.broker import Broker
from workers.queue.errors import TooManyWaitingError
from workers.queue.records import Idempotency, State


@pytest.fixture
def broker(redis: ArqRedis) -> Broker:
    """Three jobs of an owner may wait."""
    return Broker(redis, result_expires=600, most_waiting=3)


async def fill(broker: Broker) -> list[str]:
    """Three jobs of ann, after which she has no room."""
    ids = []
    for _ in range(3):
        view = await broker.create(new_job())
        assert view is not None
        ids.append(view.id)
    with pytest.raises(TooManyWaitingError):
        await broker.create(new_job())
    return ids


async def test_the_limit_is_each_owners(broker: Broker) -> None:
    await fill(broker)

    assert await broker.create(new_job(owner="bob")) is not None


@pytest.mark.parametrize("how", ["started", "ended", "revoked"])
async def test_a_job_that_waits_no_more_makes_room_for_one(broker: Broker, how: str) -> None:
    ids = await fill(broker)
    if how == "revoked":
        await broker.revoke(ids[1])
    else:
        job = await claim_one(broker)
        if how == "ended":
            await broker.finish(job, State.SUCCESS, b"{}")

    assert await broker.create(new_job()) is not None
    with pytest.raises(TooManyWaitingError):
        await broker.create(new_job())


async def test_a_job_that_waits_again_leaves_the_limit_to_new_ones(broker: Broker) -> None:
    await fill(broker)
    job = await claim_one(broker)
    assert await broker.create(new_job()) is not None
    await broker.release(job)

    with pytest.raises(TooManyWaitingError):
        await broker.create(new_job())


async def test_a_refused_job_is_nowhere(broker: Broker, redis: ArqRedis) -> None:
    await fill(broker)
    with pytest.raises(TooManyWaitingError):
        await broker.create(new_job("no", idempotency=Idempotency("key", "body")))

    assert not (await broker.read("no")).known
    assert await redis.get(keys.IDEMPOTENCY + "key") is None
    assert len((await broker.claim(WORKER, 10, ["add"])).jobs) == 3


async def test_a_repeated_request_gets_its_job_although_there_is_no_room(broker: Broker) -> None:
    once = Idempotency("key", "body")
    await broker.create(new_job("one", idempotency=once))
    for _ in range(2):
        await broker.create(new_job())

    view = await broker.create(new_job("two", idempotency=once))
    assert view is not None
    assert view.id == "one"


async def test_many_creates_at_once_make_no_more_than_the_limit(broker: Broker) -> None:
    made = await asyncio.gather(
        *(broker.create(new_job()) for _ in range(50)), return_exceptions=True
    )

    assert sum(isinstance(one, TooManyWaitingError) for one in made) == 47


async def test_room_is_found_behind_many_that_wait(redis: ArqRedis) -> None:
    broker = Broker(redis, result_expires=600, most_waiting=1000)
    ids = [f"many-{n}" for n in range(1000)]
    await asyncio.gather(*(broker.create(new_job(job_id)) for job_id in ids))
    await broker.revoke(ids[900])
    refused = 0
    for _ in range(10):
        try:
            await broker.create(new_job("late"))
            break
        except TooManyWaitingError:
            refused += 1

    assert (await broker.read("late")).known
    assert refused == 900 // 128, "each refusal looks at the next 128"


async def test_without_a_limit_nothing_is_kept(redis: ArqRedis) -> None:
    await Broker(redis, result_expires=600).create(new_job())

    assert await redis.keys(keys.WAITING + "*") == []
