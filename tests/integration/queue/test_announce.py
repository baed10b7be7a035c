"""announce: which workers are there."""

from arq.connections import ArqRedis

from tests.queue_state import OTHER, WORKER
from tests.waiting import eventually
from workers.queue import keys
from workers.queue.broker import Broker


async def test_counts_the_workers_and_shows_what_they_say(broker: Broker) -> None:
    assert await broker.announce(WORKER, {"name": WORKER, "n": 1}, 60) == 1
    assert await broker.announce(OTHER, {"name": OTHER}, 60) == 2
    assert await broker.announce(WORKER, {"name": WORKER, "n": 2}, 60) == 2

    workers = (await broker.statistics([])).workers
    assert workers == {WORKER: {"name": WORKER, "n": 2}, OTHER: {"name": OTHER}}


async def test_a_worker_that_says_goodbye_is_gone(broker: Broker, redis: ArqRedis) -> None:
    await broker.announce(WORKER, {"name": WORKER}, 60)

    assert await broker.announce(WORKER, {}, 0) == 0
    assert (await broker.statistics([])).workers == {}
    assert await redis.dbsize() == 0


async def test_a_worker_that_is_silent_is_gone_when_its_time_is_up(
    broker: Broker, redis: ArqRedis
) -> None:
    await broker.announce(WORKER, {"name": WORKER}, 0.02)

    async def gone() -> bool:
        return (await broker.statistics([])).workers == {}

    await eventually(gone)
    assert await broker.announce(OTHER, {"name": OTHER}, 60) == 1
    assert await redis.zcard(keys.WORKERS) == 1


async def test_statistics_leave_the_workers_out_on_request(broker: Broker) -> None:
    await broker.announce(WORKER, {"name": WORKER}, 60)

    assert (await broker.statistics([], workers=False)).workers == {}
