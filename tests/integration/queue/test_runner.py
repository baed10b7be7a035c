"""The runner: replies are never mixed up, and every failure has a name and a bound."""

import asyncio
import random
import time

import pytest
from arq.connections import ArqRedis

from tests.queue_server import QueueServer
from tests.queue_state import TASK, WORKER, blocked_clients, created_and_claimed, new_job
from tests.waiting import eventually
from workers.queue import keys
from workers.queue.broker import Broker
from workers.queue.connection import MOST_CONNECTIONS
from workers.queue.errors import QueueError, QueueFullError, QueueUnavailableError
from workers.queue.listeners import EndOfJobs, Subscription
from workers.queue.records import Lease, State, Verdict
from workers.queue.runner import ScriptRunner
from workers.queue.scripts import COMING_WORK

AWAY_WITHIN = 8.0  # seconds: connect and answer timeouts, and some air


async def test_loads_its_scripts_into_a_server_that_forgot_them(
    broker: Broker, redis: ArqRedis
) -> None:
    job = await created_and_claimed(broker)
    await redis.script_flush()

    assert (await broker.read(job.id)).state is State.STARTED


async def test_concurrent_calls_survive_forgotten_scripts(broker: Broker, redis: ArqRedis) -> None:
    await redis.script_flush()

    await asyncio.gather(*(broker.create(new_job(f"{n}")) for n in range(300)))
    views = await asyncio.gather(*(broker.read(f"{n}") for n in range(300)))
    assert all(view.state is State.PENDING for view in views)


async def test_many_calls_share_a_round_trip(broker: Broker, redis: ArqRedis) -> None:
    await broker.read("warm up")
    before = (await redis.info("clients"))["connected_clients"]

    await asyncio.gather(*(broker.read("x") for _ in range(1000)))
    assert (await redis.info("clients"))["connected_clients"] <= before + 1


async def test_calls_that_come_a_few_passes_later_go_along(broker: Broker, redis: ArqRedis) -> None:
    await broker.read("warm up")
    await redis.config_resetstat()

    async def create_in(passes: int) -> None:
        for _ in range(passes):
            await asyncio.sleep(0)
        await broker.create(new_job(f"{passes}"))

    await asyncio.gather(*map(create_in, range(0, 20, 2)))
    assert (await redis.info("commandstats"))["cmdstat_fcall"]["calls"] == 1


@pytest.mark.parametrize("seed", range(3))
async def test_a_cancelled_caller_does_not_mix_up_the_replies(broker: Broker, seed: int) -> None:
    dice = random.Random(seed)
    ids = [f"{n:03}" for n in range(100)]
    await asyncio.gather(*(broker.create(new_job(job_id)) for job_id in ids))

    async def ask(job_id: str) -> tuple[str, str | None]:
        view = await broker.read(job_id)
        return job_id, view.owner and view.id

    asking = []
    for _ in range(1500):
        asking.append(asyncio.create_task(ask(dice.choice(ids))))
        if dice.random() < 0.3:
            dice.choice(asking).cancel()
        if dice.random() < 0.3:
            await asyncio.sleep(0)
    answers = await asyncio.gather(*asking, return_exceptions=True)

    answered = [answer for answer in answers if not isinstance(answer, BaseException)]
    assert len(answered) > 800
    assert all(asked == got for asked, got in answered)


async def test_a_call_that_cannot_be_sent_fails_alone(broker: Broker) -> None:
    await broker.create(new_job("good"))

    bad, good = await asyncio.wait_for(
        asyncio.gather(broker.read("\ud800"), broker.read("good"), return_exceptions=True), 5
    )
    assert isinstance(bad, Exception)
    assert not isinstance(good, BaseException)
    assert (await asyncio.wait_for(broker.read("good"), 5)).state is State.PENDING


async def test_a_server_that_is_away_is_said_to_be_away_and_found_again(
    own_server: QueueServer, own_broker: Broker
) -> None:
    await own_broker.create(new_job("one"))
    own_server.kill()

    began = time.monotonic()
    with pytest.raises(QueueUnavailableError):
        await own_broker.read("one")
    assert time.monotonic() - began < AWAY_WITHIN

    own_server.start()
    assert (await own_broker.read("one")).state is State.PENDING, "the write was kept"


async def test_a_server_that_is_silent_is_said_to_be_away(
    own_server: QueueServer, own_broker: Broker
) -> None:
    await own_broker.create(new_job("one"))
    own_server.pause()

    began = time.monotonic()
    with pytest.raises(QueueUnavailableError):
        await own_broker.read("one")
    assert time.monotonic() - began < AWAY_WITHIN

    own_server.resume()
    assert (await own_broker.read("one")).id == "one"
    views = await asyncio.gather(*(own_broker.read(f"{n}") for n in range(20)))
    assert [view.id for view in views] == [f"{n}" for n in range(20)], "no late answers"


async def test_no_caller_waits_longer_however_many_there_are_and_whenever_they_come(
    own_server: QueueServer, own_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.queue.runner.ANSWER_TIMEOUT", 1.0)
    broker = Broker(own_broker.redis, result_expires=600)
    took: list[float] = []

    async def ask(delay: float) -> None:
        await asyncio.sleep(delay)
        began = time.monotonic()
        with pytest.raises(QueueUnavailableError):
            await broker.read("x")
        took.append(time.monotonic() - began)

    await broker.read("warm up")
    own_server.pause()
    late = (2.1 + n / 1000 for n in range(300))
    await asyncio.gather(*map(ask, (0, 0.95, 1.975, *late)))
    assert max(took) < 2


async def test_what_a_busy_server_was_sent_late_is_waited_for(
    redis: ArqRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is carried out: who is told that it may not have been would do it again."""
    monkeypatch.setattr("workers.queue.runner.ANSWER_TIMEOUT", 1.0)
    runner = ScriptRunner(redis)

    async def busy(seconds: float) -> object:
        return await runner.call(COMING_WORK, keys.wake("nothing"), str(seconds))

    assert await busy(0.01) is None, "it answers"
    first = asyncio.create_task(busy(0.7))
    await eventually(lambda: blocked_clients(redis))
    late = asyncio.create_task(busy(0.6))  # sent when the first is answered
    assert await asyncio.gather(first, late) == [None, None]


@pytest.mark.parametrize("serves_stale_data", ["yes", "no"])
async def test_a_server_that_was_demoted_is_left_for_who_answers_at_its_address(
    own_server: QueueServer, own_broker: Broker, own_redis: ArqRedis, serves_stale_data: str
) -> None:
    async def create() -> None:
        await own_broker.create(new_job())

    async def claim() -> None:
        await own_broker.claim(WORKER, 1, [TASK])

    calls = (create, claim)  # each on a connection of its own
    for call in calls:
        await call()
    await own_redis.config_set("replica-serve-stale-data", serves_stale_data)
    await own_redis.execute_command("REPLICAOF", "127.0.0.1", "1")
    with QueueServer() as successor:
        own_server.socket.unlink()
        own_server.socket.symlink_to(successor.socket)
        for call in calls:
            with pytest.raises(QueueUnavailableError):
                await call()
            await call()


async def test_all_callers_hear_of_an_outage(own_server: QueueServer, own_broker: Broker) -> None:
    await own_broker.read("warm up")
    own_server.kill()

    count = 4 * MOST_CONNECTIONS
    answers = await asyncio.wait_for(
        asyncio.gather(*(own_broker.read("x") for _ in range(count)), return_exceptions=True), 20
    )
    assert all(isinstance(answer, QueueUnavailableError) for answer in answers)


async def test_a_full_server_takes_no_jobs_but_everything_else(
    own_redis: ArqRedis, own_broker: Broker
) -> None:
    """Workers keep and hand in what they run, and drain the queue, until there is room again."""
    finished, released, kept = [await created_and_claimed(own_broker) for _ in range(3)]
    waiting = new_job()
    await own_broker.create(waiting)
    running_id = await own_broker.running_id(None, "made")
    await own_redis.config_set("maxmemory", "1mb")

    with pytest.raises(QueueFullError):
        await own_broker.create(new_job())
    assert await own_broker.running_id(None, "other") == running_id
    assert await own_broker.announce(WORKER, {"name": WORKER}, 60) == 1
    assert await own_broker.renew([kept], 60) == [Lease.OK]
    assert await own_broker.finish(finished, State.SUCCESS, b'{"total":1}') is Verdict.OK
    assert await own_broker.release(released) is Verdict.OK
    assert (await own_broker.read(kept.id, notify="g")).state is State.STARTED
    assert (await own_broker.revoke(kept.id)).view.state is State.REVOKED
    await own_broker.recover(WORKER, [TASK])
    assert {job.id for job in (await own_broker.claim(WORKER, 9, [TASK])).jobs} >= {waiting.id}
    assert (await own_broker.read(finished.id)).result == b'{"total":1}'
    await own_redis.config_set("maxmemory", "0")
    assert await own_broker.create(new_job()) is not None


async def test_a_refusal_for_another_reason_is_a_plain_queue_error(
    broker: Broker, redis: ArqRedis
) -> None:
    await redis.rpush(f"arq:queue:{TASK}", "a list")

    with pytest.raises(QueueError) as refused:
        await broker.create(new_job())
    assert not isinstance(refused.value, QueueUnavailableError)


async def test_a_subscription_that_broke_says_that_messages_may_be_missing(
    own_server: QueueServer, own_redis: ArqRedis
) -> None:
    heard: list[str | None] = []
    listening = asyncio.create_task(Subscription(own_redis, "channel").listen(heard.append))
    await eventually(lambda: heard == [None])
    await own_redis.publish("channel", "one")
    await eventually(lambda: heard == [None, b"one"])

    own_server.kill()
    own_server.start()
    await eventually(lambda: heard == [None, b"one", None], within=15)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def test_the_end_of_a_job_wakes_only_who_waits_for_it(
    broker: Broker, redis: ArqRedis
) -> None:
    ends = EndOfJobs(redis, "g1")
    listening = asyncio.create_task(ends.listen())
    await broker.create(new_job("zero"), notify="g1")
    with ends.of("zero") as zero:  # a new subscription tells everybody to look for himself
        assert await zero.within(5) is None
    for job_id in ("one", "two"):
        await broker.create(new_job(job_id), notify="g1")
    with ends.of("one") as one, ends.of("two") as two, ends.of("one") as also_one:
        ended = (await broker.revoke("one")).view
        assert await asyncio.gather(one.within(5), also_one.within(5)) == [ended, ended]
        assert not two._news.done()
    assert ends._waiting == {}
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def test_jobs_that_end_together_are_told_by_one_message(
    broker: Broker, redis: ArqRedis
) -> None:
    text = b'{"text":"%b"}' % (b"x" * 10_000)  # twice it is too much to be told
    results = {"one": b'{"n":1}', "two": b'{"n":2}', "large": text}
    for job_id in results:
        params = text if job_id == "large" else b"{}"
        await broker.create(new_job(job_id, params=params), notify="g1")
    jobs = (await broker.claim("w", 3, [TASK])).jobs
    async with redis.pubsub() as channel:
        await channel.subscribe(keys.done("g1"))
        await channel.get_message(timeout=5)
        await asyncio.gather(*(broker.finish(j, State.SUCCESS, results[j.id]) for j in jobs))
        message = await channel.get_message(timeout=5)
    assert message is not None

    ends = EndOfJobs(redis, "g1")
    with ends.of("one") as one, ends.of("two") as two, ends.of("large") as large:
        ends._heard(message["data"])
        told = await asyncio.gather(one.within(5), two.within(5), large.within(0.1))
    assert told == [await broker.read("one"), await broker.read("two"), None]


async def test_of_a_large_result_only_the_id_is_told(broker: Broker, redis: ArqRedis) -> None:
    async with redis.pubsub() as channel:
        await channel.subscribe(keys.done("g1"))
        await channel.get_message(timeout=5)
        await broker.create(new_job("one"), notify="g1")
        [job] = (await broker.claim("w", 1, [TASK])).jobs
        await broker.finish(job, State.SUCCESS, b'{"text":"%b"}' % (b"x" * 20_000))
        message = await channel.get_message(timeout=5)
    assert message is not None
    assert message["data"] == b"one"


@pytest.mark.parametrize("message", [b"one", b"[", b"[[],2]]", b'{"n":1}', b"\xff", b""])
async def test_a_message_that_is_no_result_is_an_id(redis: ArqRedis, message: bytes) -> None:
    ends = EndOfJobs(redis, "g1")
    with ends.of(message.decode(errors="replace")) as end:
        ends._heard(message)
        assert await end.within(5) is None
