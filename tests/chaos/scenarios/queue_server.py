"""Rows 5, 6, 29: a queue server that dies, is silent, or drops its connections."""

import asyncio
import time

from tests.chaos.catalogue import scenario
from tests.chaos.records import Outcome
from tests.chaos.stage import Setting, named

BUSY_MACHINE = 1.5  # seconds that a renewal may be late for no other reason than that


@scenario("5", "queue server killed under load, back after 5 s",
          "0 acknowledged lost; workers back <= 6 s; running children go on",
          every_run=True)  # fmt: skip
async def killed(setting: Setting) -> Outcome:
    """SIGKILL the queue server under 200 creates/s."""
    rounds = setting.times(4)
    away = 5.0  # in the runs with a short lease that is longer than the lease
    back, long_jobs = [], []
    async with setting.stage() as stage:
        client = await stage.play(nodes=2, WORKER_CONCURRENCY=3)
        begin = time.monotonic()
        for n in range(rounds):
            jobs = named(f"long-{n}", 2)
            long_jobs += jobs
            await client.create_all(jobs, seconds=away + 2)
            await stage.begun(jobs)
            load = asyncio.create_task(client.load(f"load-{n}", 200, 5, lambda _: {}))
            await asyncio.sleep(setting.dice.uniform(1, 3))
            stage.cluster.queue.kill()
            await asyncio.sleep(away)
            await asyncio.to_thread(stage.cluster.queue.start)
            at = time.monotonic()
            await load
            await client.create(f"after-{n}")
            await stage.begun([f"after-{n}"])
            back.append(min(a.started for a in stage.attempts if a.started > at) - at)
            await client.settle(within=90)
        seconds = time.monotonic() - begin
        return await stage.outcome(
            injected=rounds, recoveries=back, recovered_within=6.0,
            note=f"{len(client.sent)} creates, {len(client.acknowledged)} acknowledged "
            f"in {seconds:.0f} s",
        )  # fmt: skip


@scenario("6", "queue server silent for a third, two thirds and twice the lease",
          "no second execution below the lease; 503 and Retry-After <= 5 s, never a hang",
          every_run=True)  # fmt: skip
async def silent(setting: Setting) -> Outcome:
    """SIGSTOP the queue server while clients go on asking: 10, 20 and 60 s of a 30 s lease."""
    short = min(setting.lease * 2 / 3, setting.lease - BUSY_MACHINE)
    pauses = [setting.lease / 3, short, setting.lease * 2]
    may_run_twice: dict[str, int] = {}
    back = []
    async with setting.stage() as stage:
        client = await stage.play(nodes=2)
        for n, pause in enumerate(pauses):
            jobs = named(f"long-{n}", 2)
            await client.create_all(jobs, seconds=pause + 2)
            await stage.begun(jobs)
            if pause > setting.lease:
                may_run_twice |= dict.fromkeys(jobs, 1)
            stage.cluster.queue.pause()
            load = asyncio.create_task(client.load(f"load-{n}", 2, pause, lambda _: {}))
            await asyncio.sleep(pause)
            stage.cluster.queue.resume()
            at = time.monotonic()
            await load
            await client.create(f"after-{n}")
            await stage.begun([f"after-{n}"])
            back.append(min(a.started for a in stage.attempts if a.started > at) - at)
            await client.settle(within=setting.lease * 3)
        refused = [a for a in client.answers if a.status == 503]
        slowest = max((a.seconds for a in refused), default=0.0)
        return await stage.outcome(
            injected=len(pauses), losses=may_run_twice, recoveries=back,
            note=f"{len(refused)} answers 503, the slowest after {slowest:.1f} s",
        )  # fmt: skip


@scenario("29", "all connections to the queue server killed every 2 s",
          "all finish, one execution each, no reply to the wrong caller")  # fmt: skip
async def connections_killed(setting: Setting) -> Outcome:
    """CLIENT KILL for a minute under load."""
    lasting = max(20.0, 60.0 * min(1.0, setting.minutes / 10))
    kills = 0
    async with setting.stage() as stage:
        client = await stage.play(nodes=2, gateways=1)
        load = asyncio.create_task(client.load("load", 20, lasting, lambda _: {"seconds": 0.02}))
        while not load.done():
            for kind in ("normal", "pubsub"):
                await stage.redis.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
            kills += 1
            await asyncio.sleep(2)
        await load
        await client.settle(within=setting.lease + 30)
        begun = {a.key: a.started for a in stage.attempts}
        delays = [begun[a.key] - a.at for a in client.acknowledged if a.key in begun]
        late = [delay for delay in delays if delay > 1]
        return await stage.outcome(
            injected=kills, recoveries=late, recovered_within=setting.lease + 5,
            note=f"recovery: of the {len(late)} jobs that began more than 1 s late",
        )  # fmt: skip
