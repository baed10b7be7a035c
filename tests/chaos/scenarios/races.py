"""Rows 13, 22 and the worker that dies after its k-th command: the queue's own races."""

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Iterable

from arq.connections import ArqRedis

from tests.chaos.catalogue import scenario
from tests.chaos.records import Outcome
from tests.chaos.stage import Setting, Stage
from workers.queue import scripts
from workers.queue.broker import Broker
from workers.queue.records import ClaimedJob, NewJob, State, Verdict

TASK = "work"
NAMES = {script.function: script.name for script in scripts.ALL}


async def fill(broker: Broker, count: int) -> None:
    """Queue so many jobs."""
    for begin in range(0, count, 1000):
        ids = range(begin, min(begin + 1000, count))
        await asyncio.gather(
            *(broker.create(NewJob(f"job-{n}", TASK, b'{"key":"%d"}' % n, "ann")) for n in ids)
        )


async def claim_all(broker: Broker, worker: str) -> list[ClaimedJob]:
    """Claim until nothing is left."""
    mine: list[ClaimedJob] = []
    while jobs := (await broker.claim(worker, 7, [TASK])).jobs:
        mine += jobs
    return mine


@scenario("13", "10,000 jobs claimed by 16 workers at once, each finished twice",
          "no job handed out twice; one result", every_run=True)  # fmt: skip
async def raced_claims(setting: Setting) -> Outcome:
    """Claims from sixteen connections at once; every outcome handed in by two callers at once."""
    count = setting.times(20_000, least=2000)
    async with setting.stage() as stage:
        racers = [ArqRedis(unix_socket_path=str(stage.cluster.queue.socket)) for _ in range(16)]
        brokers = [Broker(r, result_expires=3600, lease=300) for r in racers]
        await fill(stage.broker, count)
        claims = await asyncio.gather(*(claim_all(b, f"w-{n}") for n, b in enumerate(brokers)))
        jobs = [job for mine in claims for job in mine]
        verdicts = await finish_twice(brokers, jobs)
        views = [await stage.broker.read(job.id) for job in jobs[:: max(1, count // 500)]]
        for racer in racers:
            await racer.aclose(close_connection_pool=True)
    handed_out = Counter(job.id for job in jobs)
    twice = sum(n > 1 for n in handed_out.values())
    ends = Counter(tuple(sorted(pair)) for pair in verdicts)
    return setting.outcome(
        injected=2 * count, jobs=count, lost=count - len(handed_out), duplicates=twice,
        missed=[
            *([f"{twice} jobs were handed out twice"] if twice else []),
            *([f"{count - len(handed_out)} were never"] if len(handed_out) < count else []),
            *([f"verdicts {ends}"] if set(ends) != {("DUP", "OK")} else []),
            *(["a job has not ended"] if any(v.state is not State.SUCCESS for v in views) else []),
        ],
        note=f"claims a worker: {min(map(len, claims))} to {max(map(len, claims))}",
    )  # fmt: skip


async def finish_twice(
    brokers: list[Broker], jobs: Iterable[ClaimedJob]
) -> list[tuple[Verdict, Verdict]]:
    """Hand in every outcome over two connections at once."""
    ends = []
    for n, job in enumerate(jobs):
        one, other = brokers[n % 16], brokers[(n + 5) % 16]
        ends.append(
            await asyncio.gather(
                one.finish(job, State.SUCCESS, b'{"by":1}'),
                other.finish(job, State.SUCCESS, b'{"by":2}'),
            )
        )
    return ends


@scenario("22", "100,000 jobs waiting, 500 running",
          "a claim takes no longer than on an empty queue (p50 <= twice)")  # fmt: skip
async def long_queue(setting: Setting) -> Outcome:
    """The time of a claim and finish, before and after."""
    waiting, running = 100_000, 500
    async with setting.stage() as stage:
        await fill(stage.broker, running)
        short = await claim_times(stage.broker, 200)
        await stage.redis.flushall()
        await fill(stage.broker, waiting + running)
        for _ in range(running // 50):
            await stage.broker.claim("busy", 50, [TASK])
        long = await claim_times(stage.broker, 200)
    before, after = statistics.median(short) * 1000, statistics.median(long) * 1000
    told = f"p50 {after:.2f} ms instead of {before:.2f} ms"
    return setting.outcome(
        injected=1, jobs=waiting + running, note=told,
        missed=[told] if after > 2 * before + 0.2 else [],
    )  # fmt: skip


async def claim_times(broker: Broker, count: int) -> list[float]:
    """Seconds of so many claims of one job each; the jobs are finished in between."""
    times = []
    for _ in range(count):
        begin = time.monotonic()
        [job] = (await broker.claim("measured", 1, [TASK])).jobs
        times.append(time.monotonic() - begin)
        await broker.finish(job, State.SUCCESS, b"{}")
    return times


@scenario("k", "worker killed right after its k-th command, for every k of a job's way",
          "one final state; run again <= 5 s after the node is back; at most one more execution",
          every_run=True)  # fmt: skip
async def kth_command(setting: Setting) -> Outcome:
    """The link counts what the worker says and kills it when the k-th has been passed on."""
    after: list[float] = []
    async with setting.stage() as stage:
        await stage.play(nodes=1)
        said = await commands_of_one_job(stage)
        rounds = setting.times(4)
        for n in range(rounds):
            for k in range(1, len(said) + 1):
                key = f"job-{n}-{k}"
                after.append(await kill_at(stage, k, key))
        return await stage.outcome(
            injected=len(after), losses=1, recoveries=after, recovered_within=5.0,
            note=f"{len(said)} commands: {' '.join(said)}",
        )  # fmt: skip


async def commands_of_one_job(stage: Stage) -> list[str]:
    """What the worker says from the creation of a job until it waits again."""
    said: list[str] = []
    stage.nodes[0].link.on_command = lambda command: said.append(name_of(command))
    await stage.client.ended(str(await stage.client.create("count", seconds=0.1)))
    await asyncio.sleep(0.2)
    stage.nodes[0].link.on_command = lambda _: None
    return said


async def kill_at(stage: Stage, k: int, key: str) -> float:
    """Kill the worker at its k-th command; seconds from its return to the end of the job."""
    [node] = stage.nodes
    left, passed = k, asyncio.Event()

    def count(_command: list[bytes]) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            node.worker.process.kill()
            passed.set()

    node.link.on_command = count
    job = await stage.client.create(key, seconds=0.1)
    await asyncio.wait_for(passed.wait(), 30)
    node.link.on_command = lambda _: None
    await asyncio.to_thread(node.worker.process.wait)
    await node.restart()
    at = time.monotonic()
    await stage.client.ended(str(job))
    return time.monotonic() - at


def name_of(command: list[bytes]) -> str:
    """What a command does, by the name of its script if it runs one."""
    if command[0] == b"FCALL":
        return NAMES.get(command[1], "?")
    return command[0].decode()
