"""The results as a page: what is compared, what is not the same, medians and ratios."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.bench import gateway_load
from tests.bench.backlog import DRAINED, MISSING
from tests.bench.figures import Book, Figure
from tests.bench.gateways import FULL_CELERY, LEAN_CELERY
from tests.bench.markdown import table
from tests.bench.peer_backlog import PeerBacklog
from tests.bench.slots import NAPS

OURS, CELERY, BARE = "FastTask", "Celery", "bare FastAPI"
HEAD = """# FastTask beside other task queues, measured

Written by `make bench`, which measures all of this anew. Everything runs on one machine, the
clients too, and never two are loaded at once: each round measures everybody, each on a queue
server of its own, and each round in another order. The gateways run beside each other and are
loaded in turn, a few seconds each, five times a round. A round's rate is the median of the five,
its milliseconds are of all five together. A figure is the median of the rounds [least – most]; so
is a ratio, of FastTask's figure over the other's in the same round, the other way round for
milliseconds, so that more is better for FastTask.

"""
NOT_THE_SAME = """
## What is the same, and what is not

* **Queue server**: the same program with the same configuration as in a node of FastTask: an
  append-only file, written before each answer and on the disk within a second. FastTask also asks
  for a password. All are reached by a unix socket unless the table says otherwise.
* **Concurrency**: two processes each, started as the project's documentation does on two cores.
  Inside them dramatiq, saq, taskiq and streaQ run many jobs at once, in threads or in an event
  loop, where a task that computes or hangs holds up its neighbours and cannot be stopped. FastTask,
  Celery, rq and arq's pool run one job in a process at a time; FastTask, Celery and rq kill it at
  its time limit. A no-op task shows none of that: it is the cost of the queue alone.
* **What a job costs to be safe**: FastTask, Celery (`acks_late`), dramatiq, saq, taskiq, streaQ, rq
  and arq drop a job only when its result is stored; huey when it is taken. FastTask also writes a
  lease and a token for each attempt, counts for `status_info`, and logs each job to a
  file; the others log as little as their options allow.
* **Jobs and results**: `{"number": n}` both ways. FastTask, Celery, saq and dramatiq write JSON,
  taskiq pickles results, the others pickle both. Results are kept for days, huey's for ever.
* **Backlog**: queued while no worker runs; the clock runs from the last moment at which no job had
  ended to that at which all had. Then every result is read back; *missing* are those that are not
  there, or not right, all rounds together.
* **Gateways**: `peers/gateway.py` has the same routes and job records on FastAPI and Celery,
  written as their users write them and served by two uvicorn processes with TLS. Celery itself does
  not know when a job was created or started and takes an unknown id for a job that waits, so a
  record of each job is kept beside it. The *lean* one, `peers/lean_gateway.py`, does without and
  answers what Celery knows. Their checks cannot be held until the job ends, so their clients poll
  every 5 ms. *Bare FastAPI* is `bare.py`, our models and answers on two uvicorn processes with TLS,
  without queue, authentication or limits on connections. What it runs it runs in the process that
  answers, where a task that hangs would hang all.
* **Slots**: the share of the slots' time, from the start of the first job to the end of the last,
  that was spent in the tasks, as these tell themselves.
* **Versions**: the newest of everything in `requirements.lock`; plain arq runs in FastTask's
  environment, with the older redis-py that it asks for.
"""


@dataclass(frozen=True, slots=True)
class Run:
    """Under which circumstances was measured."""

    date: str
    cores: int
    rounds: int
    jobs: int  #: of a backlog
    requests: int  #: of a load over HTTPS
    took_seconds: float


def page(run: Run, book: Book, peers: Sequence[PeerBacklog]) -> str:
    """The whole page, in Markdown."""
    told = (
        f"{run.date}; {run.cores} cores; {run.rounds} rounds; took {run.took_seconds / 60:.0f} "
        "minutes.\n\n![The figures as bars](results.png)\n"
    )
    return HEAD + told + tables(run, book, peers) + NOT_THE_SAME


def tables(run: Run, book: Book, peers: Sequence[PeerBacklog]) -> str:
    """The figures alone."""
    parts = [
        f"\n## {DRAINED.title} ({DRAINED.unit})\n",
        _backlog(run, book, peers),
        f"\n## Over HTTPS, {run.requests:,} requests each where many connections are used\n",
        _gateways(book),
        "\n## FastTask's slots kept busy\n",
        _slots(book),
        *_failures(book),
    ]
    return "\n".join(parts)


def _backlog(run: Run, book: Book, peers: Sequence[PeerBacklog]) -> str:
    own = [OURS, f"{run.jobs:,}", "a child process, killed at a time limit",
           "after the result; a killed worker's jobs are run again within 30 s"]  # fmt: skip
    rows = [[*own, *_drained(book, OURS)]]
    for one in sorted(peers, key=lambda peer: -_median(book, peer.peer.name)):
        peer = one.peer
        reached = "" if peer.reached_by == "unix socket" else f" ({peer.reached_by})"
        told = [f"{peer.name} {peer.version}{reached}", f"{one.size(run.jobs):,}"]
        rows.append([*told, peer.runs_in, peer.acknowledges, *_drained(book, peer.name)])
    head = ["", "backlog", "a task runs in", "a job is done", "jobs/s", "missing", "ratio"]
    return table(head, rows, texts=4)


def _drained(book: Book, name: str) -> list[object]:
    missing = sum(book.entries.get((name, MISSING), {}).values())
    return [_cell(book, name, DRAINED), f"{missing:.0f}", _ratio(book, DRAINED, name)]


def _gateways(book: Book) -> str:
    others = (FULL_CELERY.name, LEAN_CELERY.name, BARE)
    rows = [
        [
            f"{figure.title} ({figure.unit})",
            _cell(book, OURS, figure),
            *(cell for one in others for cell in _beside(book, figure, one)),
        ]
        for figure in gateway_load.ALL
    ]
    return table(["", OURS, *(cell for one in others for cell in (one, "ratio"))], rows)


def _beside(book: Book, figure: Figure, other: str) -> tuple[str, str]:
    return _cell(book, other, figure), _ratio(book, figure, other)


def _slots(book: Book) -> str:
    rows = [[naps.figure.title, naps.count, _cell(book, OURS, naps.figure)] for naps in NAPS]
    return table(["", "jobs", NAPS[0].figure.unit], rows)


def _failures(book: Book) -> Iterable[str]:
    if book.failures:
        yield "\n## Could not be measured\n"
        yield "".join(f"* {who}: {why}\n" for who, why in book.failures.items())


def _cell(book: Book, contender: str, figure: Figure) -> str:
    return str(book.spread(contender, figure) or "-")


def _ratio(book: Book, figure: Figure, theirs: str) -> str:
    ratio = None if theirs == OURS else book.ratio(figure, OURS, theirs)
    if ratio is None:
        return "-"
    median, extremes = str(ratio).split(" ", 1)
    return f"**{median}** {extremes}"


def _median(book: Book, contender: str) -> float:
    spread = book.spread(contender, DRAINED)
    return spread.median if spread else 0.0
