"""Compare FastTask with other task queues and write RESULTS.md and results.png: ``make bench``.

Parts (backlog, gateway, slots) or contenders (FastTask, huey, Celery, ...) as arguments choose
among the measurements, ``BENCH_ROUNDS`` and ``BENCH_JOBS`` shorten them, for a quick look; nothing
is written then, unless ``BENCH_RESULTS`` names a folder for it.
"""

import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

from tests.bench import gateways, own_backlog, slots
from tests.bench.drawing import bars, draw
from tests.bench.figures import Book
from tests.bench.page import BARE, CELERY, OURS, Run, page, tables
from tests.bench.peer_backlog import PeerBacklog, peers
from tests.bench.turns import Turn, chosen, play

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
    requests = jobs // JOBS_PER_REQUEST
    celery = next(one for one in contenders if one.peer.name == CELERY)
    return [
        Turn("backlog", OURS, partial(own_backlog.drained, jobs)),
        *(Turn("backlog", one.peer.name, partial(one.drained, jobs)) for one in contenders),
        Turn("gateway", OURS, partial(gateways.own_gateway, requests)),
        *(
            Turn("gateway", gateway.name, partial(gateway.measured, celery, requests))
            for gateway in (gateways.FULL_CELERY, gateways.LEAN_CELERY)
        ),
        Turn("gateway", BARE, partial(gateways.bare_gateway, requests)),
        Turn("slots", OURS, slots.slots_kept_busy),
    ]


def _save(folder: Path, run: Run, book: Book, contenders: list[PeerBacklog]) -> None:
    (folder / "RESULTS.md").write_text(page(run, book, contenders))
    draw("tests.bench.plot", bars(book), folder / "results.png")


if __name__ == "__main__":
    sys.exit(main())
