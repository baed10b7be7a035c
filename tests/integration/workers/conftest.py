"""Fork servers with children, and whole worker processes."""

import itertools
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.conftest import SAMPLE_TASKS
from tests.held_jobs import Held
from tests.queue_server import QueueServer
from tests.queue_state import new_job
from tests.worker_process import WorkerProcess
from workers.child import JobLimits
from workers.fork_client import ForkClient, ForkPlan
from workers.outcome import Outcome
from workers.queue.broker import Broker
from workers.queue.records import ClaimedJob
from workers.slots import Slot, SlotPool

MakePool = Callable[..., Awaitable[SlotPool]]

_numbers = itertools.count(1)


def claimed(task: str, **arguments: Any) -> ClaimedJob:
    """A job as the queue would hand it out."""
    job = orjson.dumps(
        {"t": None, "f": task, "a": [], "k": arguments, "et": 0},
        option=orjson.OPT_PASSTHROUGH_SUBCLASS,
    )
    number = next(_numbers)
    return ClaimedJob(f"job-{number}", task, f"1:w:n.{number}", 1, job, "")


@pytest.fixture
async def make_forks() -> AsyncIterator[Callable[..., ForkClient]]:
    """Fork servers for the sample tasks, or for those of another folder."""
    made: list[ForkClient] = []

    def make(
        tasks_dir: Path = SAMPLE_TASKS,
        tasks: tuple[str, ...] = ("echo", "hold", "hostile"),
        soft_limit: float = 60.0,
        environment: Mapping[str, str] = os.environ,
        limits: Mapping[str, int] | None = None,
    ) -> ForkClient:
        all_limits = JobLimits(soft_limit, 64 * 2**20, **(limits or {}))
        forks = ForkClient(ForkPlan(tasks_dir, tasks, all_limits, environment))
        made.append(forks)
        return forks

    yield make
    for forks in made:
        forks.close()
        await forks.wait_closed()


@pytest.fixture
async def make_pool(
    make_forks: Callable[..., ForkClient],
) -> AsyncIterator[MakePool]:
    """Started pools of slots."""
    pools: list[SlotPool] = []

    async def make(
        size: int = 1, time_limit: float = 60.0, jobs_per_child: int = 1000, **plan: Any
    ) -> SlotPool:
        forks = make_forks(**plan)
        pool = SlotPool([Slot(forks, time_limit, jobs_per_child) for _ in range(size)])
        pools.append(pool)
        await pool.start()
        return pool

    yield make
    for pool in pools:
        pool.close()


async def run(pool: SlotPool, task: str, **arguments: Any) -> Outcome:
    """Run one job as the worker does: promise, then run."""
    return await run_job(pool, claimed(task, **arguments))


async def run_job(pool: SlotPool, job: ClaimedJob) -> Outcome:
    """As :func:`run`, for a job that is there."""
    pool.promise(job.token)
    return await pool.run(job)


@pytest.fixture
def make_worker(
    tmp_path: Path,
) -> Iterator[Callable[..., WorkerProcess]]:
    """`python -m workers` processes, each with a FILES_DIR named after its node."""
    made: list[WorkerProcess] = []

    def make(server: QueueServer, node: str = "one", **environment: Any) -> WorkerProcess:
        worker = WorkerProcess(tmp_path / node, server.url, **environment)
        made.append(worker)
        return worker

    yield make
    for worker in made:
        worker.kill()
        sys.stdout.write(worker.log)  # shown if the test failed


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Callable[[Broker, str], Awaitable[Held]]]:
    """Creates jobs that run until they are let go."""
    made: list[Held] = []

    async def create(broker: Broker, job_id: str, **fields: object) -> Held:
        held = Held(tmp_path, job_id)
        made.append(held)
        assert await broker.create(new_job(job_id, "hold", params=held.params, **fields))
        return held

    yield create
    for held in made:
        held.let_go()
