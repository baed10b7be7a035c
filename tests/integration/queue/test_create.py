"""create: a job is stored and queued once."""

import asyncio

import orjson
import pytest
from arq.connections import ArqRedis

from tests.queue_state import TASK, created_and_claimed, limited, meta_of, new_job
from workers.queue import keys
from workers.queue.broker import Broker
from workers.queue.records import State


async def test_answers_the_job_as_it_was_stored(broker: Broker) -> None:
    view = await broker.create(new_job("one"))

    assert view is not None
    assert view.state is State.PENDING
    assert view == await broker.read("one")


async def test_stores_the_job_in_the_form_of_arq(broker: Broker, redis: ArqRedis) -> None:
    await broker.create(new_job("one", params=b'{"a":1.5}'))

    stored = orjson.loads(await redis.get(keys.JOB + "one"))
    score = await redis.zscore(keys.queue(TASK), "one")
    assert stored == {"t": None, "f": TASK, "a": [], "k": {"a": 1.5}, "et": score, "v": True}


async def test_keeps_an_unstarted_job_for_thirty_days(broker: Broker, redis: ArqRedis) -> None:
    await broker.create(new_job("one"))

    days = 24 * 3600 * 1000
    assert 29.9 * days < await redis.pttl(keys.JOB + "one") <= 30 * days
    assert 59.9 * days < await redis.pttl(keys.META + "one") <= 60 * days


@pytest.mark.parametrize("stage", ["queued", "running", "ended"])
async def test_refuses_an_id_that_is_taken(broker: Broker, stage: str) -> None:
    await broker.create(new_job("one"))
    if stage != "queued":
        running = (await broker.claim("w", 1, [TASK])).jobs[0]
        if stage == "ended":
            await broker.finish(running, State.SUCCESS, b"{}")
    before = await broker.read("one")

    assert await broker.create(new_job("one", params=b'{"a":2}', owner="eve")) is None
    assert await broker.read("one") == before


async def test_of_many_creates_of_one_id_one_succeeds(broker: Broker, redis: ArqRedis) -> None:
    views = await asyncio.gather(*(broker.create(new_job("one")) for _ in range(50)))

    assert sum(view is not None for view in views) == 1
    assert await redis.zcard(keys.queue(TASK)) == 1


async def test_remembers_whom_to_tell_and_the_concurrency_key(
    broker: Broker, redis: ArqRedis
) -> None:
    await broker.create(new_job("one", concurrency=limited(3, "key", 5, 7)), notify="g1")

    meta = await meta_of(redis, "one")
    fields = {k: meta[k] for k in ("notify", "key", "limit", "countdown", "expire")}
    assert fields == {
        "notify": "g1 ",
        "key": "key",
        "limit": "3",
        "countdown": "5000",
        "expire": "7000",
    }


@pytest.mark.parametrize(
    "text", ["plain", "naïve 🦆", 'quo"te', "back\\slash", "\x00\n\x7f", "]}", '"z":[0,1]}']
)
async def test_any_text_comes_through_unchanged(broker: Broker, text: str) -> None:
    params = orjson.dumps({"a": text})
    job = await created_and_claimed(broker, new_job(text or "x", params=params, owner=text))
    assert orjson.loads(job.data)["k"] == {"a": text}

    result = orjson.dumps({"r": text})
    await broker.finish(job, State.SUCCESS, result)

    view = await broker.read(text or "x")
    assert (view.id, view.owner, view.result) == (text or "x", text, result)
