"""The growth as a page: tables, and what each figure must stay below."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.bench.figures import Spread, shown
from tests.bench.growth.idle_workers import IdleCost
from tests.bench.growth.levels import CALLS, Level
from tests.bench.growth.queues import MANY
from tests.bench.growth.rest import PartAtRest
from tests.bench.markdown import table

HEAD = """# What FastTask costs as work grows, and at rest

Written by `make bench-growth`, which measures all of this anew. A single node with default
settings, two slots and two API processes; the client runs on the same machine.

"""
LEVELS_TOLD = f"""The worker is stopped, the queue is filled through the product's own scripts, and
{CALLS} calls of each kind follow one another: over HTTPS on one connection, or as the worker makes
them. A cell is the median in milliseconds [99 % stay below]. The queue server writes its
append-only file meanwhile; a rewrite of it is waited for. In the last row all jobs have ended.

"""


@dataclass(slots=True)
class Growth:
    """All that was measured; a part that was left out is empty."""

    levels: list[Level] = field(default_factory=list)
    one_task: list[float] = field(default_factory=list)  #: jobs/s
    many_tasks: list[float] = field(default_factory=list)  #: jobs/s
    idle: IdleCost | None = None
    at_rest: list[PartAtRest] = field(default_factory=list)
    seconds_to_first_result: list[float] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)


def page(told: str, growth: Growth) -> str:
    """The whole page, in Markdown; ``told`` says when and where it was measured."""
    return f"{HEAD}{told}\n\n![The curves](growth.png)\n{tables(growth)}"


def tables(growth: Growth) -> str:
    """The figures alone."""
    parts = [("Bounds", table(["", "measured", "at most", ""], _bounds(growth)))]
    if growth.levels:
        parts.append(("Calls", LEVELS_TOLD + _levels(growth.levels)))
    if growth.at_rest:
        parts.append(("An idle node", _at_rest(growth.at_rest)))
    if growth.failures:
        told = (f"* {part}: {why}\n" for part, why in growth.failures.items())
        parts.append(("Could not be measured", "".join(told)))
    return "".join(f"\n## {title}\n\n{text}" for title, text in parts)


def _levels(levels: Sequence[Level]) -> str:
    kinds = list(levels[0].costs)
    rows = [
        [
            f"{level.waiting:,}", f"{level.results:,}",
            *(f"{level.costs[k].p50_ms:.2f} [{level.costs[k].p99_ms:.2f}]" for k in kinds),
            f"{level.bytes_per_job:,.0f}" if level.waiting + level.results >= 1000 else "-",
        ]
        for level in levels
    ]  # fmt: skip
    return table(["jobs waiting", "results", *kinds, "bytes of memory each"], rows, texts=0)


def _bounds(growth: Growth) -> list[list[object]]:
    rows: list[list[object]] = []
    if full := [level for level in growth.levels if level.waiting]:
        most = full[-1]
        slowest = max(level.costs["status_info, HTTPS"].p50_ms for level in growth.levels)
        size = most.bytes_per_job
        what = f"queue server's memory for a waiting no-op job, {most.waiting:,} of them"
        rows.append(_bound("status_info, the slowest level's median", slowest, 10, "ms"))
        rows.append(_bound(what, size, 1024, "bytes"))
    if growth.one_task and growth.many_tasks:
        one, many = Spread(tuple(growth.one_task)), Spread(tuple(growth.many_tasks))
        what = f"jobs/s with one task on a worker over those with {MANY} ({one} over {many})"
        rows.append(_bound(what, one.median / many.median, 2, "times"))
    if growth.idle:
        what = f"queue server's CPU for {growth.idle.workers} idle workers"
        rows.append(_bound(what, growth.idle.cpu_percent, 2, "% of a core"))
    if growth.at_rest:
        total = _total(growth.at_rest)
        rows.append(_bound("memory of a whole idle node", total.pss_mib, 150, "MiB"))
        rows.append(_bound("CPU of a whole idle node", total.cpu_percent, 1, "% of a core"))
    if growth.seconds_to_first_result:
        starts = Spread(tuple(growth.seconds_to_first_result))
        what = f"`make up` on an installed node, to the first result ({starts})"
        rows.append(_bound(what, starts.median, 3, "s"))
    return rows


def _bound(what: str, value: float, most: float, unit: str) -> list[object]:
    verdict = "holds" if value <= most else "**does not hold**"
    return [what, f"{shown(value)} {unit}", f"{most:,} {unit}", verdict]


def _at_rest(parts: Sequence[PartAtRest]) -> str:
    rows = [
        [part.name, part.processes, f"{part.pss_mib:.1f}", f"{part.cpu_percent:.2f}"]
        for part in (*parts, _total(parts))
    ]
    return table(["part", "processes", "PSS, MiB", "CPU, % of a core"], rows)


def _total(parts: Sequence[PartAtRest]) -> PartAtRest:
    return PartAtRest(
        "**all**",
        sum(part.processes for part in parts),
        sum(part.pss_mib for part in parts),
        sum(part.cpu_percent for part in parts),
    )
