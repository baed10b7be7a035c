"""The results as a page: what was injected, what was lost, what it took to recover."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from tests.chaos.records import Outcome

HEAD = """# What FastTask survives, measured

Written by `make chaos`. Real processes over HTTPS on one machine, faults injected on purpose;
judged from outside by what clients were told and what the tasks wrote down (`oracle.py`), never by
our own counters. *Jobs* are those acknowledged to clients, *lost* those of them without a final
state, *extra* the executions beyond the first of each job, which *bound* allows for only where an
attempt was lost. *Recovery* is the seconds from a fault until its job ran again. The queue server
writes an append-only file with `appendfsync no`.

"""
COLUMNS = (
    "fault", "what was done", "times", "jobs", "lost", "extra", "recovery p50", "max",
    "must hold", "verdict", "note",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Run:
    """Under which circumstances the outcomes were measured."""

    date: str
    seed: int
    minutes: float
    lease: float
    beat: float
    cores: int
    took_seconds: float


def page(run: Run, outcomes: Iterable[Outcome]) -> str:
    """The whole page, in Markdown."""
    told = (
        f"{run.date}; seed {run.seed}; CHAOS_MINUTES={run.minutes:g}; lease {run.lease:g} s, "
        f"heartbeat {run.beat:g} s; {run.cores} cores; took {run.took_seconds / 60:.0f} minutes."
    )
    rows = [row(outcome) for outcome in sorted(outcomes, key=_number)]
    return "\n".join([HEAD + told, "", line(COLUMNS), line(["---"] * len(COLUMNS)), *rows, ""])


def measured_again(text: str, outcomes: Iterable[Outcome]) -> str:
    """A page with the rows of ``outcomes`` in place of former ones, and a sentence that says so."""
    lines = text.splitlines()
    for outcome in outcomes:
        begin = line([outcome.fault, outcome.name])[:-1]
        lines = [row(outcome) if old.startswith(begin) else old for old in lines]
        said = f"Measured again afterwards: fault {outcome.fault}, {outcome.name}."
        lines.insert(lines.index(line(COLUMNS)) - 1, said)
    return "\n".join([*lines, ""])


def row(outcome: Outcome) -> str:
    """One outcome as a row."""
    broken = "; ".join(outcome.violations + outcome.late)
    return line(
        [
            outcome.fault, outcome.name, outcome.injected, outcome.jobs, outcome.lost,
            outcome.duplicates, *recovery(outcome), outcome.bound,
            f"**FAILS**: {broken}" if broken else "holds", outcome.note,
        ]
    )  # fmt: skip


def recovery(outcome: Outcome) -> tuple[str, str]:
    """Half and maximum of the recoveries in seconds, or dashes."""
    if not outcome.recoveries:
        return "-", "-"
    return f"{statistics.median(outcome.recoveries):.2f} s", f"{max(outcome.recoveries):.2f} s"


def line(cells: Iterable[object]) -> str:
    """A line of a table; a bar in a cell would end it."""
    return (
        "| " + " | ".join(str(cell).replace("|", "/").replace("\n", " ") for cell in cells) + " |"
    )


def _number(outcome: Outcome) -> float:
    """Its place on the page; what has no number comes last."""
    return int(outcome.fault) if outcome.fault.isdecimal() else float("inf")
