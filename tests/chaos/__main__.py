"""Break clusters in every way of the catalogue and write RESULTS.md: ``python -m tests.chaos``.

``CHAOS_SEED`` repeats a run, ``CHAOS_MINUTES`` says about how long it may take. Functions' names or
numbers of faults as arguments choose among the scenarios, and ``CHAOS_LEASE`` shortens the lease,
for a quick look; nothing is written then, unless ``CHAOS_AGAIN`` is set: then the rows of what was
chosen are replaced.
"""

import asyncio
import os
import sys
import time
import traceback
from collections.abc import Awaitable
from pathlib import Path

import tests.chaos.scenarios  # noqa: F401  it fills the catalogue
from tests.chaos.catalogue import SCENARIOS, Scenario
from tests.chaos.records import Outcome
from tests.chaos.stage import Setting
from tests.chaos.table import Run, measured_again, page, row

RESULTS = Path(__file__).parent / "RESULTS.md"
DEFAULT_SEED, DEFAULT_MINUTES = 20261121, 20.0
DEFAULT_LEASE = 30.0  # seconds; a heartbeat is a sixth of it, as in the product's defaults
LONGEST_SCENARIO = 900.0  # seconds; it counts as a failure then


async def main() -> int:
    """The exit status: 0 if every bound holds."""
    seed = int(os.environ.get("CHAOS_SEED", DEFAULT_SEED))
    minutes = float(os.environ.get("CHAOS_MINUTES", DEFAULT_MINUTES))
    lease = float(os.environ.get("CHAOS_LEASE", DEFAULT_LEASE))
    chosen = [s for s in SCENARIOS if not sys.argv[1:] or {s.fault, s.play.__name__} & {*sys.argv}]
    say(f"{len(chosen)} scenarios, CHAOS_SEED={seed} CHAOS_MINUTES={minutes:g}")
    begin = time.monotonic()

    def play(scenario: Scenario) -> Awaitable[Outcome]:
        return played(scenario, scenario.setting(seed, minutes, lease, lease / 6))

    beside = {s: asyncio.ensure_future(play(s)) for s in chosen if s.beside}
    alone = {s: await play(s) for s in chosen if not s.beside}
    outcomes = [alone[s] if s in alone else await beside[s] for s in chosen]
    if not sys.argv[1:] and lease == DEFAULT_LEASE:
        run = Run(
            time.strftime("%Y-%m-%d"), seed, minutes, lease, lease / 6,
            len(os.sched_getaffinity(0)), time.monotonic() - begin,
        )  # fmt: skip
        RESULTS.write_text(page(run, outcomes))
    if sys.argv[1:] and lease == DEFAULT_LEASE and "CHAOS_AGAIN" in os.environ:
        RESULTS.write_text(measured_again(RESULTS.read_text(), outcomes))
    broken = [outcome for outcome in outcomes if not outcome.holds]
    say(f"{len(outcomes) - len(broken)} of {len(outcomes)} hold")
    return 1 if broken else 0


async def played(scenario: Scenario, setting: Setting) -> Outcome:
    """The outcome of a scenario, also if it breaks down itself."""
    begin = time.monotonic()
    try:
        async with asyncio.timeout(LONGEST_SCENARIO):
            outcome = await scenario.play(setting)
    except Exception as error:
        traceback.print_exc()
        why = f"the scenario broke down: {type(error).__name__}: {error}"[:300]
        outcome = setting.outcome(injected=0, jobs=0, missed=[why])
    say(f"{time.monotonic() - begin:6.1f} s  {row(outcome)}")
    return outcome


def say(line: str) -> None:
    """Show progress."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
