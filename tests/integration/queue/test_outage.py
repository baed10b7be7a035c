"""After an outage: nobody could renew a lease meanwhile, so one that ran out tells nothing yet.

The same goes for a clock of the server that jumps ahead of everybody's.
"""

from collections.abc import Callable
from typing import cast

import pytest
from arq.connections import ArqRedis

from config.settings import Settings
from tests.queue_server import QueueServer
from tests.queue_state import (
    OTHER,
    TASK,
    WORKER,
    claim_one,
    created_and_claimed,
    lapse,
    limited,
    make_due,
    meta_of,
    new_job,
)
from workers.leases import Leases
from workers.queue import broker as broker_module
from workers.queue import keys
from workers.queue.broker import Broker
from workers.queue.connection import connect
from workers.queue.errors import QueueUnavailableError
from workers.queue.records import ClaimedJob, Lease, State, Verdict
from workers.slots import SlotPool

Jump = Callable[[float], None]


@pytest.fixture
async def lapsed(own_server: QueueServer, own_broker: Broker, own_redis: ArqRedis) -> ClaimedJob:
    """A job of WORKER whose lease ran out during an outage that ``own_broker`` noticed."""
    job = await created_and_claimed(own_broker)
    own_server.kill()
    for noticing in (own_broker.claim(OTHER, 1, [TASK]), own_broker.read(job.id)):
        with pytest.raises(QueueUnavailableError):  # on each of its two connections
            await noticing
    own_server.start()
    await lapse(own_redis, job)
    return job


async def test_its_own_worker_may_renew_it_before_another_takes_it(
    lapsed: ClaimedJob, own_broker: Broker
) -> None:
    assert (await own_broker.claim(OTHER, 1, [TASK])).jobs == []
    assert await own_broker.renew([lapsed], 60) == [Lease.OK]
    assert await own_broker.finish(lapsed, State.SUCCESS, b"{}") is Verdict.OK


async def test_its_own_worker_takes_it_at_once_if_it_started_anew(
    lapsed: ClaimedJob, own_broker: Broker
) -> None:
    assert (await claim_one(own_broker, WORKER)).id == lapsed.id


async def test_a_worker_that_saw_no_outage_takes_it_at_once(
    lapsed: ClaimedJob, own_server: QueueServer, make_settings: Callable[..., Settings]
) -> None:
    redis = connect(make_settings(task_queue_url=own_server.url))
    assert (await claim_one(Broker(redis, result_expires=600), OTHER)).id == lapsed.id
    await redis.aclose(close_connection_pool=True)


async def test_the_doubt_is_put_off_by_a_second_at_a_time_and_counts_no_crash(
    lapsed: ClaimedJob, own_broker: Broker, own_redis: ArqRedis
) -> None:
    await own_broker.claim(OTHER, 1, [TASK])

    due = await own_redis.zscore(keys.queue(TASK), lapsed.id)
    seconds, _ = await own_redis.time()
    assert due is not None and due / 1000 <= seconds + 2
    assert "crashes" not in await meta_of(own_redis, lapsed.id)


async def test_the_doubt_ends_with_the_time_of_a_lease(
    own_server: QueueServer, own_redis: ArqRedis
) -> None:
    broker = Broker(own_redis, result_expires=600, lease=0.05)
    job = await created_and_claimed(broker)
    own_server.kill()
    with pytest.raises(QueueUnavailableError):
        await broker.claim(OTHER, 1, [TASK])
    own_server.start()
    while not (jobs := (await broker.claim(OTHER, 1, [TASK])).jobs):
        pass
    assert [j.id for j in jobs] == [job.id]


@pytest.fixture
def jump(monkeypatch: pytest.MonkeyPatch) -> Jump:
    """Have the server's clock jump so many seconds ahead of ours: here ours is set back."""
    true = broker_module._monotonic_ms

    def by(seconds: float) -> None:
        monkeypatch.setattr(broker_module, "_monotonic_ms", lambda: true() - int(seconds * 1000))

    return by


@pytest.fixture
async def overtaken(own_broker: Broker, own_redis: ArqRedis, jump: Jump) -> ClaimedJob:
    """A job of WORKER whose lease has ended since the server's clock jumped."""
    job = await created_and_claimed(own_broker, new_job(concurrency=limited(1)))
    jump(40)
    await lapse(own_redis, job)
    await own_redis.zadd(f"{keys.HOLDERS}{TASK}:k", {job.id: 1})
    return job


async def test_a_jump_of_the_clock_ends_no_lease_before_it_may_be_renewed(
    overtaken: ClaimedJob, own_broker: Broker
) -> None:
    for _ in range(3):
        assert (await own_broker.claim(OTHER, 1, [TASK])).jobs == []

    assert await own_broker.renew([overtaken], 60) == [Lease.OK]
    assert await own_broker.finish(overtaken, State.SUCCESS, b"{}") is Verdict.OK


async def test_nor_does_it_free_a_place_that_is_taken(
    overtaken: ClaimedJob, own_broker: Broker, own_redis: ArqRedis
) -> None:
    await own_broker.create(new_job("next", concurrency=limited(1)))
    for _ in range(3):
        assert (await own_broker.claim(OTHER, 1, [TASK])).jobs == []
        await make_due(own_redis, "next")

    await own_broker.renew([overtaken], 60)
    await own_broker.finish(overtaken, State.SUCCESS, b"{}")
    assert (await claim_one(own_broker, OTHER)).id == "next"


async def test_a_worker_renews_what_it_holds_before_it_claims_again(
    overtaken: ClaimedJob, own_broker: Broker, make_settings: Callable[..., Settings]
) -> None:
    leases = Leases(own_broker, cast(SlotPool, None), make_settings())  # nothing is to be stopped
    leases.take([overtaken])

    for _ in range(3):
        await leases.renew_if_late()
        assert (await own_broker.claim(WORKER, 1, [TASK])).jobs == []
    assert await own_broker.finish(overtaken, State.SUCCESS, b"{}") is Verdict.OK


async def test_a_clock_that_is_put_right_by_a_little_is_no_reason_for_doubt(
    own_broker: Broker, own_redis: ArqRedis, jump: Jump
) -> None:
    job = await created_and_claimed(own_broker)
    jump(10)
    await own_broker.claim(OTHER, 1, [TASK])
    await lapse(own_redis, job)

    assert (await claim_one(own_broker, OTHER)).id == job.id
