"""Our backlog: queued while the worker is stopped, drained by it, every result read at the end."""

import asyncio
import uuid
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TypeVar

from tests.bench.backlog import DRAINED, drained_rate
from tests.bench.figures import Measured
from tests.bench.node import Node, running_node
from workers.queue.broker import Broker
from workers.queue.records import JobView, NewJob, State

Item = TypeVar("Item")

AT_ONCE = 128  # calls on their way together: as many as one pipeline takes


async def drained(jobs: int) -> Measured:
    """The rate at which a node drains a backlog of no-op jobs."""
    with running_node() as node:
        return {DRAINED: await drained_by(node, ["noop"], jobs)}


async def drained_by(node: Node, tasks: Sequence[str], count: int) -> float:
    """Jobs a second at which the node drains ``count`` no-op jobs, spread evenly over ``tasks``.

    Raises:
        RuntimeError: a result is missing or wrong.
    """
    node.stop_worker()
    async with node.broker() as broker:
        ids = await queued(broker, tasks, count)
        node.start_worker()
        rate = await drained_rate(count, lambda: remaining(broker, tasks))
        for number, view in enumerate(await views(broker, ids)):
            if (view.state, view.result) != (State.SUCCESS, b'{"number":%d}' % number):
                raise RuntimeError(f"job {number} ended as {view}")
    return rate


async def queued(
    broker: Broker, tasks: Sequence[str], count: int, params: bytes = b'{"number":%d}'
) -> list[str]:
    """Queue ``count`` jobs, their numbers put into ``params``; their ids."""
    running_id = await broker.running_id(None, "bench")
    jobs = [
        NewJob(
            f"{running_id}-{uuid.uuid4()}", tasks[number % len(tasks)], params % number, "Anonymous"
        )
        for number in range(count)
    ]
    for some in batches(jobs):
        await asyncio.gather(*(broker.create(job) for job in some))
    return [job.id for job in jobs]


async def remaining(broker: Broker, tasks: Sequence[str]) -> int:
    """How many jobs have not ended."""
    now = await broker.statistics(tasks, workers=False)
    return sum(now.waiting[task] + now.totals.get(f"{task}:{State.STARTED}", 0) for task in tasks)


async def views(broker: Broker, ids: Sequence[str]) -> list[JobView]:
    """Jobs as they stand, in the order of ``ids``."""
    found: list[JobView] = []
    for some in batches(ids):
        found += await asyncio.gather(*(broker.read(job_id) for job_id in some))
    return found


def batches(items: Sequence[Item]) -> Iterator[list[Item]]:
    """The items in lists of AT_ONCE."""
    left = iter(items)
    while some := list(islice(left, AT_ONCE)):
        yield some
