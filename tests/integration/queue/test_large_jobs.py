"""Large jobs and results on a link that may be slow: beside the small calls, not among them."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

import pytest
from arq.connections import ArqRedis

from app.services import running_services
from config.settings import Settings
from tests.chaos.proxy import Proxy
from tests.queue_server import QueueServer
from tests.queue_state import TASK, WORKER, new_job
from tests.waiting import eventually
from workers.queue import keys
from workers.queue.broker import MOST_BESIDE, Broker
from workers.queue.connection import ANSWER_TIMEOUT, LARGE_BYTES, connect
from workers.queue.errors import QueueUnavailableError
from workers.queue.records import Idempotency, State, Verdict

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


class Slow(NamedTuple):
    """A gateway, or worker, and its link to the queue server."""

    broker: Broker
    link: Proxy


@pytest.fixture
async def slow(
    shared_server: QueueServer, make_settings: Callable[..., Settings]
) -> AsyncIterator[Slow]:
    """One to which three times what is large crosses within an answer's time."""
    link = await Proxy(shared_server.socket, random.Random(1)).start()
    link.bytes_per_second = LARGE_BYTES * 3 / ANSWER_TIMEOUT
    client = connect(make_settings(task_queue_url=link.url))
    await client.ping()  # while nothing else is on its way
    yield Slow(Broker(client, result_expires=600, lease=30, over_network=True), link)
    await client.aclose(close_connection_pool=True)
    await link.close()


async def scripts_run(redis: ArqRedis) -> int:
    """How often the server has run one."""
    return int((await redis.info("commandstats"))["cmdstat_fcall"]["calls"])


async def ended(broker: Broker, job_id: str, result: bytes) -> None:
    """A job of this id has ended so."""
    await broker.create(new_job(job_id))
    [job] = (await broker.claim(WORKER, 1, [TASK])).jobs
    assert await broker.finish(job, State.SUCCESS, result) is Verdict.OK


async def test_a_large_result_crosses_a_slow_link_beside_the_others(
    broker: Broker, slow: Slow
) -> None:
    result = b'{"a":"%s"}' % (b"x" * (4 * LARGE_BYTES))
    await ended(broker, "large", result)
    await ended(broker, "small", b"{}")

    large = asyncio.create_task(slow.broker.read("large", notify="g1"))
    looked = 0
    while not large.done():
        assert (await slow.broker.read("small")).result == b"{}"
        looked += 1
        await asyncio.wait({large}, timeout=0.2)

    assert (await large).result == result
    assert looked > 1


@pytest.mark.parametrize("how", ["read", "result"])
async def test_many_results_do_not_make_an_answer_large(
    broker: Broker, slow: Slow, how: str
) -> None:
    result = b'{"a":"%s"}' % (b"x" * (LARGE_BYTES // 2))
    names = [f"job-{n}" for n in range(8)]
    for name in names:
        await ended(broker, name, result)

    views = await asyncio.gather(*(getattr(slow.broker, how)(name) for name in names))

    assert [(view.id, view.result) for view in views] == [(name, result) for name in names]


async def test_from_far_a_result_is_none_until_it_is_there(far: Broker) -> None:
    await far.create(new_job("one"))
    assert await far.result("one") is None


async def test_whatever_else_answers_a_large_result_fetches_it(far: Broker) -> None:
    once = Idempotency("key", "body")
    await far.create(new_job("one", idempotency=once))
    [job] = (await far.claim(WORKER, 1, [TASK])).jobs
    await far.finish(job, State.SUCCESS, LARGE)

    again = await far.create(new_job("two", idempotency=once))

    assert again is not None
    assert (again.id, again.result) == ("one", LARGE)
    assert (await far.revoke("one")).view.result == LARGE


async def test_a_large_result_that_expires_before_it_is_fetched_is_unknown(
    broker: Broker, slow: Slow, redis: ArqRedis
) -> None:
    await ended(broker, "one", LARGE)
    before = await scripts_run(redis)
    slow.link.on_command = lambda _: slow.link.black_hole()  # the answer does not come
    looking = asyncio.create_task(slow.broker.read("one"))

    async def server_has_looked() -> bool:
        return await scripts_run(redis) > before

    await eventually(server_has_looked)

    await redis.delete(keys.RESULT + "one")
    slow.link.on_command = lambda _: None
    slow.link.heal()

    assert not (await looking).known
