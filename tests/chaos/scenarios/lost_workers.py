"""Rows 1, 2, 4, 17, 32: workers and children that are killed, frozen or restarted."""

import asyncio
import os
import signal
import time
from collections import Counter

from tests.chaos import oracle
from tests.chaos.catalogue import scenario
from tests.chaos.records import Outcome
from tests.chaos.stage import Node, Setting, Stage, named, not_of_state
from tests.waiting import eventually, is_alive


async def strike(stage: Stage, node: Node, handing_in: float = 0.0) -> dict[str, float]:
    """SIGKILL a worker; which jobs it lost, and when.

    It is stopped first, and what it lost is told when it is gone: between a look at what it runs
    and its end, one of its jobs could have ended and another one have begun. What ended up to
    ``handing_in`` seconds before counts as well: its outcome may have been under way.
    """
    os.kill(node.pid, signal.SIGSTOP)
    at = time.monotonic()
    below = node.kill()
    await eventually(lambda: not any(map(is_alive, below)), within=1.0)
    lost = (
        attempt for attempt in stage.attempts
        if attempt.pid in below and (attempt.ended is None or attempt.ended > at - handing_in)
    )  # fmt: skip
    return {attempt.key: at for attempt in lost}


@scenario("1", "worker killed, another node takes over",
          "all finish; children gone <= 1 s; run again <= lease + 5 s")  # fmt: skip
async def killed_for_good(setting: Setting) -> Outcome:
    """SIGKILL one worker of two under load; bring it back only when the other has taken over."""
    struck: dict[str, float] = {}
    losses: Counter[str] = Counter()  # one that runs again may be struck again
    rounds = setting.times(2)
    async with setting.stage() as stage:
        client = await stage.play(nodes=2)
        for n in range(rounds):
            jobs = named(f"long-{n}", 3)
            await client.create_all(jobs, seconds=setting.lease / 10)
            await stage.begun(jobs)
            victim = setting.dice.choice(stage.nodes)
            load = asyncio.create_task(
                client.load(f"load-{n}", 10, setting.lease / 2, lambda _: {"seconds": 0.02})
            )
            lost = await strike(stage, victim)
            struck |= lost
            losses.update(lost.keys())
            await load
            await stage.begun(lost, runs=2, within=setting.lease + 10)
            await victim.restart()
        return await stage.outcome(
            injected=rounds, losses=losses,
            recoveries=stage.recoveries(struck), recovered_within=setting.lease + 5,
        )  # fmt: skip


@scenario("1", "worker killed, the same node comes back",
          "all finish; children gone <= 1 s; run again <= 5 s")  # fmt: skip
async def killed_and_back(setting: Setting) -> Outcome:
    """SIGKILL the only worker with jobs running and start it again at once."""
    struck: dict[str, float] = {}
    losses: Counter[str] = Counter()  # one that runs again may be struck again
    rounds = setting.times(20, least=3)
    async with setting.stage() as stage:
        client = await stage.play(nodes=1)
        [node] = stage.nodes
        for n in range(rounds):
            jobs = named(f"job-{n}", 2)
            await client.create_all(jobs, seconds=0.5)
            await stage.begun(jobs)
            await asyncio.sleep(setting.dice.uniform(0, 0.3))
            lost = await strike(stage, node)
            struck |= lost
            losses.update(lost.keys())
            await node.restart()
            await stage.begun(lost, runs=2)
        return await stage.outcome(
            injected=rounds, losses=losses,
            recoveries=stage.recoveries(struck), recovered_within=5.0,
        )  # fmt: skip


@scenario("2", "child killed, busy or idle",
          "run again <= 2 s; neighbours untouched; all children there <= 3 s")  # fmt: skip
async def killed_child(setting: Setting) -> Outcome:
    """SIGKILL random children while half of the slots are busy."""
    struck: dict[str, float] = {}
    idle, slots, missed = 0, 4, []
    rounds = setting.times(60, least=6)
    async with setting.stage() as stage:
        client = await stage.play(nodes=1, WORKER_CONCURRENCY=slots)
        [node] = stage.nodes
        for n in range(rounds):
            jobs = named(f"job-{n}", slots // 2)
            await client.create_all(jobs, seconds=0.4)
            await stage.begun(jobs)
            running = {a.pid: a.key for a in stage.running_on(node)}
            victim = setting.dice.choice(node.children())
            at = time.monotonic()
            os.kill(victim, signal.SIGKILL)
            if victim in running:
                struck[running[victim]] = at
                await stage.begun([running[victim]], runs=2)
            idle += victim not in running
            await eventually(lambda: len(node.children()) == slots, within=10)
            if (took := time.monotonic() - at) > 3.0:
                missed.append(f"all children were there after {took:.1f} s")
            await client.settle(within=10)
        return await stage.outcome(
            injected=rounds, losses=dict.fromkeys(struck, 1),
            recoveries=stage.recoveries(struck), recovered_within=2.0, missed=missed,
            note=f"{len(struck)} busy, {idle} idle",
        )  # fmt: skip


@scenario("4", "worker frozen past its lease, then thawed",
          "re-claimed by another, one result, the late one is refused")  # fmt: skip
async def frozen(setting: Setting) -> Outcome:
    """SIGSTOP most workers for a random time beyond the lease, with a job running in each."""
    struck: dict[str, float] = {}
    freezing, rounds = 20, setting.times(5)
    async with setting.stage() as stage:
        for _ in range(freezing):
            await stage.add_node(WORKER_CONCURRENCY=1)
        client = await stage.play(nodes=1, WORKER_CONCURRENCY=4)
        for n in range(rounds):
            jobs = named(f"job-{n}", freezing + 4)
            await client.create_all(jobs, seconds=setting.lease / 10 + setting.dice.uniform(0, 1))
            await stage.begun(jobs)
            held = {node.pid: stage.running_on(node) for node in stage.nodes[:freezing]}
            await asyncio.gather(*(freeze(setting, node) for node in stage.nodes[:freezing]))
            struck |= {a.key: a.started for attempts in held.values() for a in attempts}
            await client.settle(within=setting.lease + 30)
        logs = [node.worker.log for node in stage.nodes]
        refused = sum(log.count(f"verdict={v}") for log in logs for v in ("FENCED", "DUP"))
        killed = sum(log.count("answer=LOST") + log.count("answer=ABORT") for log in logs)
        return await stage.outcome(
            injected=rounds * freezing, losses=dict.fromkeys(struck, 1),
            recoveries=stage.recoveries(struck),
            note=f"late outcomes refused: {refused}; attempts stopped at thaw: {killed}",
        )  # fmt: skip


async def freeze(setting: Setting, node: Node) -> None:
    """SIGSTOP a worker's parent for a bit longer than its lease."""
    node.send(signal.SIGSTOP)
    try:
        await asyncio.sleep(setting.lease + setting.dice.uniform(0.5, setting.lease / 5 + 2))
    finally:
        node.send(signal.SIGCONT)


@scenario("17", "rolling restart of all workers under load",
          "0 lost, 0 failed, no extra execution")  # fmt: skip
async def rolling_restart(setting: Setting) -> Outcome:
    """SIGTERM one worker after the other; jobs are shorter than the grace."""
    rounds, dice = setting.times(4), setting.dice
    async with setting.stage() as stage:
        client = await stage.play(nodes=3, GRACE_SECONDS=5)
        load = asyncio.create_task(
            client.load("load", 15, rounds * 10, lambda _: {"seconds": dice.uniform(0, 0.4)})
        )
        for node in stage.nodes * rounds:
            node.send(signal.SIGTERM)
            await asyncio.to_thread(node.worker.process.wait, 15)
            await node.restart()
        await load
        await client.settle(within=60)
        ids = [a.id for a in client.acknowledged]
        return await stage.outcome(
            injected=3 * rounds, missed=not_of_state(client.seen, ids, "SUCCESS")
        )


@scenario("32", "holders of a concurrency key killed at random",
          "never more at once than the limit; places come back with the lease")  # fmt: skip
async def killed_holders(setting: Setting) -> Outcome:
    """SIGKILL workers whose jobs hold the places of one key; start each again."""
    limit, rounds = 2, setting.times(8, least=2)
    struck: dict[str, float] = {}
    died: dict[str, float] = {}
    async with setting.stage() as stage:
        client = await stage.play(nodes=3)
        limits = {"concurrency_key": "k", "max_concurrency": limit, "countdown": 5}
        jobs = named("job", 12 * rounds)
        await client.create_all(jobs, limits=limits, seconds=0.5)
        for _ in range(rounds):
            await eventually(
                lambda: any(stage.running_on(n) for n in stage.nodes), setting.lease + 10
            )
            victim = next(n for n in stage.nodes if stage.running_on(n))
            died |= {a.name: time.monotonic() for a in stage.running_on(victim)}
            struck |= await strike(stage, victim)
            await asyncio.sleep(setting.dice.uniform(0, 1))
            await victim.restart()
        await client.settle(within=setting.lease * 2 + 12 * rounds)
        most = oracle.most_at_once((a for a in stage.attempts if a.key != "warm-up"), died)
        return await stage.outcome(
            injected=rounds, losses=rounds, recoveries=stage.recoveries(struck),
            recovered_within=setting.lease + 5,
            missed=[f"{most} at once"] if most > limit else [], note=f"{most} at once of {limit}",
        )  # fmt: skip
