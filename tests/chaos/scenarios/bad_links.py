"""Rows 7, 8: the network between a worker and its master."""

import asyncio
import time

from tests.chaos.catalogue import scenario
from tests.chaos.network import Namespace, has_netem
from tests.chaos.records import Outcome
from tests.chaos.stage import Node, Setting, Stage, named


async def partition(stage: Stage, node: Node, seconds: float, name: str) -> dict[str, float]:
    """Carry nothing for a while; the jobs that ran on the worker, and when it began.

    Half of its jobs end while it is cut off, the other half afterwards.
    """
    jobs = [*named(f"{name}-short", 4), *named(f"{name}-long", 4)]
    for job in jobs:
        long = seconds + 3 if "long" in job else seconds / 4
        await stage.client.create(job, seconds=long)
    await stage.begun(jobs)
    struck = {a.key: time.monotonic() for a in stage.running_on(node)}
    node.link.black_hole()
    await asyncio.sleep(seconds)
    node.link.heal()
    return struck


@scenario("7", "worker cut off for two thirds of its lease", "no second execution")  # fmt: skip
async def short_partition(setting: Setting) -> Outcome:
    """20 s of a 30 s lease."""
    rounds = setting.times(2)
    async with setting.stage() as stage:
        await stage.play(nodes=2, WORKER_CONCURRENCY=4)
        for n in range(rounds):
            await partition(stage, stage.nodes[n % 2], setting.lease * 2 / 3, f"cut-{n}")
            await stage.client.settle(within=setting.lease * 2)
        return await stage.outcome(injected=rounds)


@scenario("7", "worker cut off for one and a half leases",
          "at most one more execution; run again <= lease + 5 s", every_run=True)  # fmt: skip
async def long_partition(setting: Setting) -> Outcome:
    """45 s of a 30 s lease."""
    rounds = setting.times(2)
    struck: dict[str, float] = {}
    async with setting.stage() as stage:
        await stage.play(nodes=2, WORKER_CONCURRENCY=8)
        for n in range(rounds):
            struck |= await partition(stage, stage.nodes[n % 2], setting.lease * 1.5, f"cut-{n}")
            await stage.client.settle(within=setting.lease * 3)
        return await stage.outcome(
            injected=rounds, losses=dict.fromkeys(struck, 1),
            recoveries=stage.recoveries(struck), recovered_within=setting.lease + 5,
        )  # fmt: skip


@scenario("7", "the only worker cut off for long",
          "its results are delivered afterwards or refused", beside=True)  # fmt: skip
async def very_long_partition(setting: Setting) -> Outcome:
    """10 min of a 30 s lease; only in a run of 15 minutes or more, else two leases."""
    lasting = setting.lease * (20 if setting.minutes >= 15 else 2)
    async with setting.stage() as stage:
        client = await stage.play(nodes=1, WORKER_CONCURRENCY=2)
        jobs = named("alone", 2)
        await client.create_all(jobs, seconds=setting.lease / 10)
        await stage.begun(jobs)
        [node] = stage.nodes
        node.link.black_hole()
        await asyncio.sleep(lasting)
        node.link.heal()
        at = time.monotonic()
        await client.settle(within=60)
        return await stage.outcome(
            injected=1, recoveries=[time.monotonic() - at], recovered_within=15.0,
            note=f"cut off for {lasting:.0f} s; recovery: until both results were there",
        )  # fmt: skip


@scenario("7", "connections half-open: the worker's side hears nothing",
          "noticed <= 15 s; no second execution", every_run=True)  # fmt: skip
async def half_open(setting: Setting) -> Outcome:
    """Every connection of the only worker is forgotten by the other side; new ones work."""
    rounds = setting.times(4)
    back = []
    async with setting.stage() as stage:
        client = await stage.play(nodes=1)
        [node] = stage.nodes
        for n in range(rounds):
            await client.create(f"running-{n}", seconds=8)
            await stage.begun([f"running-{n}"])
            node.link.half_open()
            at = time.monotonic()
            await client.create(f"next-{n}")
            await stage.begun([f"next-{n}"])
            back.append(stage.attempts_of(f"next-{n}")[0].started - at)
            await client.settle(within=60)
        return await stage.outcome(injected=rounds, recoveries=back, recovered_within=15.0)


STAND_IN = "a proxy in place of tc netem: what is lost comes 0.2, 0.6, 1.4 ... s later"


async def over(setting: Setting, netem: str, **link: float) -> Outcome:
    """Run jobs on a worker whose link is as bad as ``netem`` says, or else ``link``."""
    count = setting.times(1000, least=100)
    async with setting.stage() as stage:
        namespace = stage.closing.enter_context(Namespace()) if has_netem() else None
        node = await stage.add_node(namespace, WORKER_CONCURRENCY=12)
        client = await stage.play(nodes=0)
        if namespace:
            namespace.worsen(*netem.split())
        for name, value in link.items() if not namespace else ():
            setattr(node.link, name, value)
        begin = time.monotonic()
        await client.create_all(named("job", count))
        await client.settle(within=600)
        rate = count / (time.monotonic() - begin)
        # A claim whose answer was lost is an attempt that never began.
        return await stage.outcome(
            injected=1, losses=1,
            note=f"{rate:.0f} jobs/s; by {'tc netem' if namespace else STAND_IN}",
        )  # fmt: skip


@scenario("8", "5 % loss", "0 lost")
async def some_loss(setting: Setting) -> Outcome:
    """A link that loses one piece in twenty."""
    return await over(setting, "loss 5%", loss=0.05)


@scenario("8", "20 % loss", "0 lost")
async def much_loss(setting: Setting) -> Outcome:
    """A link that loses one piece in five."""
    return await over(setting, "loss 20%", loss=0.2)


@scenario("8", "300 ms +- 200 ms delay each way", "0 lost")
async def much_delay(setting: Setting) -> Outcome:
    """A link over a satellite."""
    return await over(setting, "delay 300ms 200ms", delay=0.3, jitter=0.2)


@scenario("8", "64 kbit/s", "0 lost")
async def little_width(setting: Setting) -> Outcome:
    """A link over an old telephone."""
    return await over(setting, "rate 64kbit", bytes_per_second=8000)
