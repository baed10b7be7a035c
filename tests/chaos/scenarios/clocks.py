"""Row 12: hosts whose clocks are wrong."""

import time
from datetime import datetime
from pathlib import Path

import orjson

from tests.chaos.catalogue import scenario
from tests.chaos.records import Outcome, Seen
from tests.chaos.stage import Setting, Stage, named
from tests.integration.app.cluster import PROJECT
from tests.waiting import eventually

SHIFTING = f"{Path(__file__).parents[1] / 'shifted_clock'}:{PROJECT}"
HOUR = 3600
FIELDS = ("created_at", "started_at", "finished_at")


@scenario("12", "workers an hour fast, an hour slow, and jumping by two hours every second",
          "nothing early or late by > 1 s; the times shown are right")  # fmt: skip
async def wrong_clocks(setting: Setting) -> Outcome:
    """Three workers, none of them right; a job that waits for a place, and plain ones."""
    rounds = setting.times(40, least=10)
    delays, off = [], []
    async with setting.stage() as stage:
        for shift in (f"{HOUR}", f"-{HOUR}", f"~{HOUR}"):
            await stage.add_node(PYTHONPATH=SHIFTING, CLOCK_SHIFT=shift)
        client = await stage.play(nodes=0)
        limits = {"concurrency_key": "k", "max_concurrency": 1, "countdown": 30}
        for n in range(rounds):
            pair = named(f"pair-{n}", 2)
            for key in pair:
                await client.create(key, seconds=0.3, limits=limits)
            await client.settle(within=setting.lease)
            first, second = sorted(stage.attempts_of(k)[0].started for k in pair)
            delays.append(second - first - 0.3)
        off = [error for seen in client.seen for error in errors_of(seen)]
        worst = max(map(abs, off))
        return await stage.outcome(
            injected=len(stage.nodes), recoveries=delays, recovered_within=1.0,
            missed=[f"a time shown is off by {worst:.1f} s"] if worst > 1 + LOOKS_LATE else [],
            note="time.time is shifted in the workers; recovery: how late a place was passed on",
        )  # fmt: skip


@scenario("12", "results of workers whose clocks are wrong, and when they expire",
          "neither early nor late by > 1 s")  # fmt: skip
async def expiry_by_wrong_clocks(setting: Setting) -> Outcome:
    """An hour fast, an hour slow, jumping: how long each result can be read."""
    kept_for, off = 5.0, []
    async with setting.stage() as stage:
        for shift in (f"{HOUR}", f"-{HOUR}", f"~{HOUR}"):
            await stage.add_node(PYTHONPATH=SHIFTING, CLOCK_SHIFT=shift, RESULT_EXPIRES=kept_for)
        client = await stage.play(nodes=0)
        ids = await client.create_all(named("job", 12), seconds=0.5)
        ended = [(await client.ended(i), time.monotonic()) for i in ids]
        for seen, at in ended:
            await eventually(lambda i=seen.id: is_forgotten(stage, i), within=kept_for + 5)
            off.append(time.monotonic() - at - kept_for)
    return setting.outcome(
        injected=3, jobs=len(ids), recoveries=map(abs, off),
        missed=[f"{o:.1f} s off" for o in off if abs(o) > 1],
        note="recovery: how far from RESULT_EXPIRES",
    )  # fmt: skip


async def is_forgotten(stage: Stage, job_id: str) -> bool:
    """Whether the result has expired."""
    return not (await stage.broker.read(job_id)).known


LOOKS_LATE = 2.0  # seconds that a client may see a time after it was written


def errors_of(seen: Seen) -> list[float]:
    """How far the times in an answer lie from the true time at which it was seen, in seconds."""
    record = orjson.loads(seen.body)
    now = time.time() - (time.monotonic() - seen.at)
    times = (record[name] for name in FIELDS if record[name])
    return [datetime.fromisoformat(text).timestamp() - now for text in times]
