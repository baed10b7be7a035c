"""Measure the cost as work grows and at rest, write GROWTH.md and its plot: ``make bench-growth``.

Parts (levels, queues, idle, rest, up) as arguments choose among the measurements, ``BENCH_MOST``
(1,000,000 jobs waiting) and ``BENCH_JOBS`` (10,000 for the queues) shorten them, for a quick look;
nothing is written then, unless ``BENCH_RESULTS`` names a folder for it.
"""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvloop

from tests.bench.drawing import draw
from tests.bench.growth import idle_workers, levels, queues, rest
from tests.bench.growth.page import Growth, page, tables

FOLDER = Path(__file__).parent.parent
MOST, JOBS, ROUNDS = 1_000_000, 10_000, 3


def main() -> int:
    """The exit status: 0 if everything could be measured."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end as by Ctrl-C: nothing stays
    most = int(os.environ.get("BENCH_MOST", MOST))
    jobs = int(os.environ.get("BENCH_JOBS", JOBS))
    chosen = sys.argv[1:]
    began, growth = time.monotonic(), Growth()
    for part, measure in _parts(growth, most, jobs).items():
        if not chosen or part in chosen:
            _measure(part, measure, growth)
    told = (
        f"{time.strftime('%Y-%m-%d')}; {len(os.sched_getaffinity(0))} cores; "
        f"took {(time.monotonic() - began) / 60:.0f} minutes."
    )
    sys.stdout.write(tables(growth))
    whole = not chosen and (most, jobs) == (MOST, JOBS)
    if folder := os.environ.get("BENCH_RESULTS", FOLDER if whole else None):
        _save(Path(folder), told, growth)
    return 1 if growth.failures else 0


def _parts(growth: Growth, most: int, jobs: int) -> dict[str, Callable[[], None]]:
    """What fills ``growth``, in the order in which it is measured."""

    def rest_part() -> None:
        growth.at_rest = rest.node_at_rest()

    def up_part() -> None:
        for _ in range(ROUNDS):
            growth.seconds_to_first_result.append(rest.seconds_to_first_result())

    def idle_part() -> None:
        growth.idle = uvloop.run(idle_workers.measured())

    def queues_part() -> None:
        for _ in range(ROUNDS):  # interleaved: what disturbs one disturbs the other
            growth.one_task.append(uvloop.run(queues.drained(1, jobs)))
            growth.many_tasks.append(uvloop.run(queues.drained(queues.MANY, jobs)))

    def levels_part() -> None:
        wanted = [level for level in levels.LEVELS if level <= most]
        growth.levels = uvloop.run(levels.measured(wanted, _say))

    return {
        "rest": rest_part,
        "up": up_part,
        "queues": queues_part,
        "idle": idle_part,
        "levels": levels_part,
    }


def _measure(part: str, measure: Callable[[], None], growth: Growth) -> None:
    _say(f"{part} ...")
    began = time.monotonic()
    try:
        measure()
    except Exception as error:
        traceback.print_exc()
        growth.failures[part] = f"{type(error).__name__}: {error}"[:300]
    _say(f"    {time.monotonic() - began:.0f} s")


def _save(folder: Path, told: str, growth: Growth) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "GROWTH.md").write_text(page(told, growth))
    if growth.levels:
        draw("tests.bench.growth.plot", _curves(growth.levels), folder / "growth.png")


def _curves(found: list[levels.Level]) -> dict[str, Any]:
    waiting = [level for level in found if not level.results]
    return {
        "waiting": [level.waiting for level in waiting],
        "curves": {
            kind: [level.costs[kind].p50_ms for level in waiting] for kind in waiting[0].costs
        },
    }


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
