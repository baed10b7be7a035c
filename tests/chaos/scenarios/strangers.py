"""Rows 30, 31: others who write to the queue server."""

import asyncio
import pickle

import arq
from arq.connections import RedisSettings
from arq.jobs import Job

from tests.chaos.catalogue import scenario
from tests.chaos.records import Outcome
from tests.chaos.scenarios.lost_workers import strike
from tests.chaos.stage import Setting, Stage, named, not_of_state
from workers.queue import keys
from workers.queue.serializer import deserialize, serialize

QUEUE = keys.queue("work")
HANDING_IN = 0.2  # seconds from the end of a task to its result, on a busy machine too


class Trap:
    """What a hostile pickle does when it is loaded."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (open, ("/nonexistent/trap", "w"))  # type: ignore[return-value]


@scenario("30", "garbage under our keys: wrong types, pickles, missing data",
          "each such job ends or is dropped, nothing unpickled, the others go on",
          every_run=True)  # fmt: skip
async def garbage(setting: Setting) -> Outcome:
    """Every name that a job has, holding what does not belong there."""
    async with setting.stage() as stage:
        client = await stage.play(nodes=1)
        spoilt = await spoil(stage)
        good = await client.create_all(named("good", 50))
        await client.settle(within=20)
        await asyncio.sleep(2 * setting.beat)
        left = [name for name in spoilt if await stage.redis.zscore(QUEUE, name) is not None]
        log = stage.nodes[0].worker.log
        return await stage.outcome(
            injected=len(spoilt),
            missed=[
                *not_of_state(client.seen, good, "SUCCESS"),
                *([f"still queued: {left}"] if left else []),
                *(["something was unpickled"] if "nonexistent/trap" in log else []),
            ],
            note=", ".join(spoilt),
        )  # fmt: skip


async def spoil(stage: Stage) -> list[str]:
    """Queue jobs with something wrong about each; their ids say what."""
    redis = stage.redis
    job = b'{"t":null,"f":"work","a":[],"k":{"key":"spoilt"},"et":0}'
    wrong = {
        "pickled job": (keys.JOB, pickle.dumps(Trap())),
        "job not UTF-8": (keys.JOB, b'\xff\xfe{"f":'),
        "empty job": (keys.JOB, b""),
        "deep job": (keys.JOB, b"[" * 50_000),
        "job of another task": (keys.JOB, job.replace(b"work", b"play")),
        "meta a string": (keys.META, b"text"),
        "meta half there": (keys.META, b'{"token":"x","key":"k"}'),
        "meta of other types": (keys.META, b'{"task":{},"attempts":1}'),
    }
    for name, (kind, value) in wrong.items():
        if kind != keys.JOB:
            await redis.set(keys.JOB + name, job)
        await redis.set(kind + name, value)
    for name, kind in (("job a list", keys.JOB), ("meta a list", keys.META)):
        if kind != keys.JOB:
            await redis.set(keys.JOB + name, job)
        await redis.rpush(kind + name, "x")
    names = [*wrong, "job a list", "meta a list", "no data"]
    await redis.zadd(QUEUE, dict.fromkeys(names, 1))
    return names


@scenario("31", "standard arq clients while workers are killed",
          "all their jobs end once; executions <= 1 + losses")  # fmt: skip
async def arq_clients(setting: Setting) -> Outcome:
    """An unmodified arq client enqueues and waits, a gateway's client next to it."""
    rounds = setting.times(6, least=2)
    losses: dict[str, int] = {}
    async with setting.stage() as stage:
        client = await stage.play(nodes=2)
        pool = await arq.create_pool(
            RedisSettings(unix_socket_path=str(stage.cluster.queue.socket)),
            job_serializer=serialize, job_deserializer=deserialize,
        )  # fmt: skip
        jobs: dict[str, Job] = {}
        for n in range(rounds):
            for key in named(f"arq-{n}", 20):
                job = await pool.enqueue_job("work", _queue_name=QUEUE, key=key, seconds=0.2)
                assert job is not None
                jobs[key] = job
            await client.create_all(named(f"ours-{n}", 10), seconds=0.2)
            await asyncio.sleep(setting.dice.uniform(0.2, 0.8))
            victim = setting.dice.choice(stage.nodes)
            losses |= dict.fromkeys(await strike(stage, victim, HANDING_IN), rounds)
            await victim.restart()
        results = await asyncio.gather(
            *(job.result(timeout=setting.lease * 2 + 20, poll_delay=0.2) for job in jobs.values()),
            return_exceptions=True,
        )
        ran = {(a.key, a.name) for a in stage.attempts if a.ended is not None}
        wrong = [
            f"{key}: {result!r}"
            for key, result in zip(jobs, results, strict=True)
            if not isinstance(result, dict) or (key, result["attempt"]) not in ran
            or result["key"] != key
        ]  # fmt: skip
        await pool.aclose(close_connection_pool=True)
        return await stage.outcome(
            injected=rounds, losses=losses, missed=wrong[:3],
            note=f"and {len(jobs)} jobs of the arq client, {len(wrong)} not as they should be",
        )  # fmt: skip
