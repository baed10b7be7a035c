"""Large jobs and results on a link that may be slow: beside the small calls, not among them."""

from collections.abc import Callable

import pytest
from arq.connections import ArqRedis

from app.services import running_services
from config.settings import Settings
from tests.queue_server import QueueServer
from tests.queue_state import TASK, WORKER, new_job
from tests.waiting import eventually
from workers.queue import keys
from workers.queue.broker import MOST_BESIDE, Broker
from workers.queue.connection import LARGE_BYTES
from workers.queue.errors import QueueUnavailableError
from workers.queue.records import State, Verdict

LARGE = b'{"a":"%s"}' % (b"x" * LARGE_BYTES)


@pytest.fixture
def far(redis: ArqRedis) -> Broker:
    """The door of a worker on another machine."""
    return Broker(redis, result_expires=600, lease=30, over_network=True)


async def test_a_large_job_is_fetched_after_the_claim(far: Broker) -> None:
    await far.create(new_job("large", params=LARGE))
    await far.create(new_job("small"))

    large, small = (await far.claim(WORKER, 2, [TASK])).jobs
    assert (large.data, small.bytes_to_fetch) == (b"", 0)
    assert large.bytes_to_fetch > LARGE_BYTES

    fetched = await far.with_data(large)
    assert LARGE in fetched.data
    assert len(fetched.data) == large.bytes_to_fetch
    assert await far.with_data(small) is small


async def test_a_large_result_is_handed_in_beside_the_pipeline(far: Broker) -> None:
    await far.create(new_job("one"))
    [job] = (await far.claim(WORKER, 1, [TASK])).jobs

    assert await far.finish(job, State.SUCCESS, LARGE) is Verdict.OK
    assert (await far.read("one")).result == LARGE
    assert await far.finish(job, State.SUCCESS, LARGE) is Verdict.DUPLICATE


async def test_a_server_that_lost_its_scripts_learns_them_from_a_large_call(
    far: Broker, redis: ArqRedis
) -> None:
    await redis.script_flush()
    assert await far.create(new_job("one", params=LARGE)) is not None


async def test_a_gateway_away_from_its_queue_server_sends_large_jobs_beside_the_others(
    redis: ArqRedis, shared_server: QueueServer, make_settings: Callable[..., Settings]
) -> None:
    async with running_services(make_settings(task_queue_url=shared_server.url)) as services:

        async def is_ready() -> bool:
            return await redis.exists(keys.RUNNING_ID) and await redis.pubsub_channels()

        async def connections() -> int:
            return int((await redis.info("stats"))["total_connections_received"])

        await eventually(is_ready)
        await services.broker.create(new_job())
        before = await connections()
        await services.broker.create(new_job(params=LARGE))
        assert await connections() == before + 1
    await services.broker.redis.aclose(close_connection_pool=True)


async def test_a_job_that_is_gone_has_no_data(far: Broker) -> None:
    await far.create(new_job("one", params=LARGE))
    [job] = (await far.claim(WORKER, 1, [TASK])).jobs
    await far.revoke("one")
    assert (await far.with_data(job)).data == b""


async def test_beside_its_queue_server_a_worker_gets_all_at_once(broker: Broker) -> None:
    await broker.create(new_job(params=LARGE))
    [job] = (await broker.claim(WORKER, 1, [TASK])).jobs
    assert LARGE in job.data


async def test_even_there_a_claim_brings_no_more_than_an_answer_holds(
    broker: Broker,
) -> None:
    most = b'{"a":"%s"}' % (b"x" * (MOST_BESIDE // 2))
    for _ in range(3):
        await broker.create(new_job(params=most))

    jobs = (await broker.claim(WORKER, 3, [TASK])).jobs
    assert [bool(job.bytes_to_fetch) for job in jobs] == [False, True, True]
    for job in jobs:
        assert most in (await broker.with_data(job)).data


async def test_a_server_that_is_away_is_told(far: Broker, redis: ArqRedis) -> None:
    await far.create(new_job("one", params=LARGE))
    [job] = (await far.claim(WORKER, 1, [TASK])).jobs
    redis.connection_pool.connection_kwargs["path"] = "/nowhere.sock"
    with pytest.raises(QueueUnavailableError):
        await far.with_data(job)
    with pytest.raises(QueueUnavailableError):
        await far.finish(job, State.SUCCESS, LARGE)


async def test_many_jobs_do_not_make_a_claim_large(far: Broker) -> None:
    half = b'{"a":"%s"}' % (b"x" * (LARGE_BYTES // 2))
    for _ in range(3):
        await far.create(new_job(params=half))
    await far.create(new_job("small"))

    jobs = (await far.claim(WORKER, 4, [TASK])).jobs
    assert [bool(job.bytes_to_fetch) for job in jobs] == [False, True, True, False]
    assert all([half in (await far.with_data(job)).data for job in jobs[:3]])
