"""Row 16: jobs that are taken back at any moment."""

import asyncio
import signal
import time

from tests.chaos.catalogue import scenario
from tests.chaos.records import Outcome
from tests.chaos.stage import Setting, Stage, named, not_of_state
from tests.waiting import eventually, is_alive

AT_ONCE = 20


@scenario("16", "revoke at a random moment of a job's life",
          "after its answer no attempt begins and no SUCCESS appears")  # fmt: skip
async def random_moments(setting: Setting) -> Outcome:
    """Jobs that wait, run or just end when they are taken back; a third of them twice."""
    count, dice = setting.times(1000, least=100), setting.dice
    revoked: dict[str, float] = {}
    async with setting.stage() as stage:
        client = await stage.play(nodes=2)

        async def one(key: str, life: float, until: float, twice: bool) -> None:
            job = await client.create(key, seconds=life)
            await asyncio.sleep(until)
            for _ in range(1 + twice):
                if job and await client.revoke(job):
                    revoked.setdefault(key, time.monotonic())

        for begin in range(0, count, AT_ONCE):
            await asyncio.gather(
                *(
                    one(f"job-{n}", dice.uniform(0, 0.2), dice.uniform(0, 0.6), dice.random() < 0.3)
                    for n in range(begin, min(begin + AT_ONCE, count))
                )
            )
        await client.settle(within=60)
        ids = {a.key: a.id for a in client.acknowledged}
        in_vain = [i for k, i in ids.items() if k not in revoked]
        late = [k for k, at in revoked.items() if any(a.started > at for a in stage.attempts_of(k))]
        return await stage.outcome(
            injected=count,
            missed=[
                *not_of_state(client.seen, [ids[k] for k in revoked], "REVOKED"),
                *not_of_state(client.seen, in_vain, "SUCCESS"),
                *([f"{len(late)} began after the answer"] if late else []),
            ],
            note=f"{len(revoked)} were in time",
        )  # fmt: skip


@scenario("16", "revoke of running, unknown and ended jobs, and with their worker away",
          "a running child is dead <= 2 s; a revoked job never comes back")  # fmt: skip
async def special_moments(setting: Setting) -> Outcome:
    """A running job; one whose worker is frozen; one whose worker is dead; one that is none."""
    rounds, missed = setting.times(10, least=3), []
    deaths: list[float] = []
    async with setting.stage() as stage:
        client = await stage.play(nodes=1)
        [node] = stage.nodes
        for n in range(rounds):
            deaths += [await revoke_running(stage, f"running-{n}")]
            job = await client.create(f"offline-{n}", seconds=1)
            await stage.begun([f"offline-{n}"])
            if n % 2:
                node.kill()
            else:
                node.send(signal.SIGSTOP)
            accepted = await client.revoke(str(job))
            missed += [] if accepted else ["a revoke with the worker away was not accepted"]
            if n % 2:
                await node.restart()
            else:
                await asyncio.sleep(1.5)
                node.send(signal.SIGCONT)
            missed += not_of_state([await client.ended(str(job))], [str(job)], "REVOKED")
        if await client.revoke("never-there"):
            missed.append("an unknown job was revoked")
        keys = [f"{kind}-{n}" for n in range(rounds) for kind in ("running", "offline")]
        ids = {a.key: a.id for a in client.acknowledged}
        await client.create_all(named("after", 10))
        await client.settle(within=30)
        return await stage.outcome(
            injected=2 * rounds + 1, recoveries=deaths, recovered_within=2.0,
            missed=[*missed, *not_of_state(client.seen, [ids[k] for k in keys], "REVOKED")],
            note="recovery: until the running child was dead",
        )  # fmt: skip


async def revoke_running(stage: Stage, key: str) -> float:
    """Revoke a job that runs; seconds until its process is dead."""
    job = await stage.client.create(key, seconds=60)
    await stage.begun([key])
    [attempt] = stage.attempts_of(key)
    at = time.monotonic()
    await stage.client.revoke(str(job))
    await eventually(lambda: not is_alive(attempt.pid))
    return time.monotonic() - at
