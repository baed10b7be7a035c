"""Compare FastTask with other task queues and write RESULTS.md and results.png: ``make bench``.

Parts (backlog, gateway, slots) or contenders (FastTask, huey, Celery, ...) as arguments choose
among the measurements, ``BENCH_ROUNDS`` and ``BENCH_JOBS`` shorten them, for a quick look; nothing
is written then, unless ``BENCH_RESULTS`` names a folder for it.
"""

import os
import signal
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tests.bench import gateways, own_backlog, side_by_side, slots
from tests.bench.drawing import bars, draw
from tests.bench.figures import Book, Measured
from tests.bench.page import BARE, CELERY, OURS, Run, page, tables
from tests.bench.peer_backlog import PeerBacklog, peers
from tests.bench.turns import Turn, alone, chosen, play

ROUNDS, JOBS = 3, 20_000
JOBS_PER_REQUEST = 5  # a load over HTTPS has a fifth of a backlog's jobs


def main() -> int:
    """The exit status: 0 if everything could be measured."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end as by Ctrl-C: nothing stays
    rounds = int(os.environ.get("BENCH_ROUNDS", ROUNDS))
    jobs = int(os.environ.get("BENCH_JOBS", JOBS))
    began, contenders = time.monotonic(), peers()
    turns = chosen(all_turns(contenders, jobs), sys.argv[1:])
    book = play(turns, rounds)
    run = Run(
        time.strftime("%Y-%m-%d"), len(os.sched_getaffinity(0)), rounds, jobs,
        jobs // JOBS_PER_REQUEST, time.monotonic() - began,
    )  # fmt: skip
    sys.stdout.write(tables(run, book, contenders))
    whole = not sys.argv[1:] and (rounds, jobs) == (ROUNDS, JOBS)
    if folder := os.environ.get("BENCH_RESULTS", Path(__file__).parent if whole else None):
        _save(Path(folder), run, book, contenders)
    return 1 if book.failures else 0


def all_turns(contenders: list[PeerBacklog], jobs: int) -> list[Turn]:
    """Everything that is measured in a round."""
    return [
        alone("backlog", OURS, partial(own_backlog.drained, jobs)),
        *(alone("backlog", one.peer.name, partial(one.drained, jobs)) for one in contenders),
        _all_gateways(contenders, jobs // JOBS_PER_REQUEST),
        alone("slots", OURS, slots.slots_kept_busy),
    ]


def _all_gateways(contenders: list[PeerBacklog], requests: int) -> Turn:
    celery = next(one for one in contenders if one.peer.name == CELERY)
    starting: dict[str, side_by_side.Starting] = {
        OURS: gateways.own_gateway,
        BARE: gateways.bare_gateway,
        **{
            one.name: partial(one.running, celery)
            for one in (gateways.FULL_CELERY, gateways.LEAN_CELERY)
        },
    }

    async def measure(names: Sequence[str]) -> dict[str, Measured | Exception]:
        return await side_by_side.measured({name: starting[name] for name in names}, requests)

    return Turn("gateway", tuple(starting), measure)


def _save(folder: Path, run: Run, book: Book, contenders: list[PeerBacklog]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "RESULTS.md").write_text(page(run, book, contenders))
    draw("tests.bench.plot", bars(book), folder / "results.png")


if __name__ == "__main__":
    sys.exit(main())
