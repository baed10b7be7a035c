"""Rows 3, 14, 15: tasks that take their process down or will not end."""

import asyncio
import time

from tests.chaos.catalogue import scenario
from tests.chaos.memory_group import MemoryGroup
from tests.chaos.records import Outcome
from tests.chaos.stage import Setting, Stage, named, not_of_state
from tests.waiting import eventually, is_alive

ATTEMPTS = 3  # of a job that crashes each time


@scenario(
    "3",
    "task runs out of memory",
    "3 attempts, then FAILURE naming the signal and the peak memory",
    every_run=True,
)
async def out_of_memory(setting: Setting) -> Outcome:
    """A task fills 512 MiB and is killed, next to jobs that behave."""
    return await greedy_tasks(
        setting, "out of memory", at_least_mib=500,
        note="the memory limit is RLIMIT_AS; at it the task is killed as the kernel would",
    )  # fmt: skip


@scenario("3", "task takes more memory than its node has: the kernel kills it",
          "3 attempts, then FAILURE naming the signal and the peak memory")  # fmt: skip
async def killed_by_the_kernel(setting: Setting) -> Outcome:
    """The same in a memory cgroup of 300 MiB around all children of the worker."""
    if not MemoryGroup.is_possible():
        why = "not run: that needs root and a memory cgroup (v1) that can be written"
        return setting.outcome(injected=0, jobs=0, missed=[], note=why)
    return await greedy_tasks(
        setting, "all memory", at_least_mib=100,
        note="the children in a memory cgroup of 300 MiB", mebibytes=300,
    )  # fmt: skip


async def greedy_tasks(
    setting: Setting, how: str, at_least_mib: int, note: str, mebibytes: int | None = None
) -> Outcome:
    """Jobs that take all memory next to jobs that behave."""
    good, greedy = named("good", 50), named("greedy", setting.times(6, least=2))
    async with setting.stage() as stage:
        client = await stage.play(nodes=1)
        if mebibytes is not None:
            group = stage.closing.enter_context(MemoryGroup(mebibytes))
            group.take(stage.nodes[0].descendants())
        bad_ids = await client.create_all(greedy, how=how)
        good_ids = await client.create_all(good, seconds=0.01)
        await client.settle(within=60)
        texts = [str((await client.ended(i)).result) for i in bad_ids]
        unnamed = [t for t in texts if "signal 9" not in t or _mebibytes(t) < at_least_mib]
        return await stage.outcome(
            injected=ATTEMPTS * len(greedy), losses=dict.fromkeys(greedy, ATTEMPTS - 1),
            missed=[
                *not_of_state(client.seen, bad_ids, "FAILURE"),
                *not_of_state(client.seen, good_ids, "SUCCESS"),
                *(f"the reason was: {text}" for text in unnamed[:1]),
            ],
            note=note,
        )  # fmt: skip


def _mebibytes(text: str) -> int:
    """The peak memory that a failure names."""
    words = text.split()
    return int(words[-2]) if words[-1] == "MiB" else 0


@scenario("14", "segfault, exits and SIGKILL of itself among good jobs",
          "<= 3 runs each, then FAILURE; good ones succeed at >= 50 % of their rate",
          every_run=True)  # fmt: skip
async def crashes_among_good_jobs(setting: Setting) -> Outcome:
    """Twenty jobs that take their process down among a thousand that do not."""
    count, bad = setting.times(1000, least=400), setting.times(20, least=8)
    hows = ("segfault", "exit 0", "exit 7", "kill")
    async with setting.stage() as stage:
        client = await stage.play(nodes=2)
        calm = await rate_of(stage, named("calm", count))
        crashing = named("crash", bad)
        ids = await asyncio.gather(
            *(client.create(key, how=hows[n % len(hows)]) for n, key in enumerate(crashing))
        )
        disturbed = await rate_of(stage, named("good", count))
        await client.settle(within=60)
        good = [a.id for a in client.acknowledged if not a.key.startswith("crash")]
        slow = f"{disturbed:.0f} jobs/s instead of {calm:.0f}"
        return await stage.outcome(
            injected=ATTEMPTS * bad, losses=dict.fromkeys(crashing, ATTEMPTS - 1),
            missed=[
                *not_of_state(client.seen, filter(None, ids), "FAILURE"),
                *not_of_state(client.seen, good, "SUCCESS"),
            ],
            late=[slow] if disturbed < calm / 2 else [],
            note=slow,
        )  # fmt: skip


async def rate_of(stage: Stage, keys: list[str]) -> float:
    """Jobs/s from the first begin to the last end of these jobs."""
    await stage.client.create_all(keys, seconds=0.02)
    await stage.begun(keys, within=60)
    await stage.client.settle(within=60)
    attempts = [a for a in stage.attempts if a.key in set(keys)]
    ends = [a.ended for a in attempts if a.ended is not None]
    return len(keys) / (max(ends) - min(a.started for a in attempts))


@scenario("15", "task that ignores the soft limit, in C, with signals blocked, with grandchildren",
          "gone <= hard limit + 1 s, grandchildren too; slot usable <= 3 s",
          every_run=True)  # fmt: skip
async def endless(setting: Setting) -> Outcome:
    """Jobs that nothing but SIGKILL ends, one after the other in one slot."""
    soft, hard = 0.5, 1.5
    hows = ("ignore", "c", "blocked", "grandchild", "estranged grandchild") * setting.times(3)
    missed, usable = [], []
    async with setting.stage() as stage:
        client = await stage.play(
            nodes=1, WORKER_CONCURRENCY=1, SOFT_TIME_LIMIT=soft, TIME_LIMIT=hard
        )
        [node] = stage.nodes
        for n, how in enumerate(hows):
            job = await client.create(f"endless-{n}", how=how)
            await stage.begun([f"endless-{n}"])
            [attempt] = stage.attempts_of(f"endless-{n}")
            await asyncio.sleep(soft / 2)
            family = [pid for pid in node.descendants() if pid >= attempt.pid]
            await client.create(f"after-{n}")
            await eventually(lambda family=family: not any(map(is_alive, family)), within=20)
            gone = time.monotonic()
            if gone - attempt.started > hard + 1:
                missed.append(f"{how} was gone after {gone - attempt.started:.1f} s")
            await stage.begun([f"after-{n}"])
            usable.append(stage.attempts_of(f"after-{n}")[0].started - gone)
            missed += not_of_state([await client.ended(str(job))], [str(job)], "FAILURE")
        return await stage.outcome(
            injected=len(hows), recoveries=usable, recovered_within=3.0, missed=missed
        )
