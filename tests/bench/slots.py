"""How well slots are kept busy by tasks that take their time."""

import json
from dataclasses import dataclass

from tests.bench.backlog import drained_rate
from tests.bench.figures import Figure, Measured
from tests.bench.node import CONCURRENCY, Node, running_node
from tests.bench.own_backlog import queued, remaining, views


@dataclass(frozen=True, slots=True)
class Naps:
    """Tasks that sleep for a while, and how many of them are enough to measure.

    Of 600 jobs of 10 ms, the 4 ms between a new worker's first and second would be a good tenth of
    a percent.
    """

    milliseconds: int
    count: int

    @property
    def figure(self) -> Figure:
        """The share of the slots' time that is spent in tasks; ideally nothing else took any."""
        title = f"tasks of {self.milliseconds} ms on {CONCURRENCY} slots"
        return Figure(title, "% of ideal")


NAPS = (Naps(10, 1800), Naps(100, 60), Naps(1000, 8))


async def slots_kept_busy() -> Measured:
    """The share of their time that a node's slots spend in tasks, for each length of task."""
    with running_node() as node:
        return {naps.figure: 100 * await _share(node, naps) for naps in NAPS}


async def _share(node: Node, naps: Naps) -> float:
    """From the start of the first to the end of the last, by the jobs' own times."""
    node.stop_worker()
    async with node.broker() as broker:
        params = b'{"number":%%d,"milliseconds":%d}' % naps.milliseconds
        ids = await queued(broker, ["nap"], naps.count, params)
        node.start_worker()
        await drained_rate(naps.count, lambda: remaining(broker, ["nap"]))
        ended = await views(broker, ids)
    first = min(view.started_ms or 0 for view in ended)
    last = max(view.finished_ms or 0 for view in ended)
    in_tasks = sum(json.loads(view.result)["seconds"] for view in ended)
    return float(in_tasks / CONCURRENCY / ((last - first) / 1000))
