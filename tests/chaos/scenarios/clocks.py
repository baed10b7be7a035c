"""Row 12: hosts whose clocks are wrong."""

import time
from datetime import datetime
from pathlib import Path

import orjson

from tests.chaos.catalogue import scenario
from tests.chaos.records import Outcome, Seen
from tests.chaos.stage import Setting, named
from tests.integration.app.cluster import PROJECT

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


LOOKS_LATE = 2.0  # seconds that a client may see a time after it was written


def errors_of(seen: Seen) -> list[float]:
    """How far the times in an answer lie from the true time at which it was seen, in seconds."""
    record = orjson.loads(seen.body)
    now = time.time() - (time.monotonic() - seen.at)
    times = (record[name] for name in FIELDS if record[name])
    return [datetime.fromisoformat(text).timestamp() - now for text in times]
