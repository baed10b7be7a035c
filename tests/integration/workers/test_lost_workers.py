"""Workers and children that are killed or frozen: their jobs end once all the same."""

import itertools
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import orjson
from arq.connections import ArqRedis

from tests.held_jobs import pids_in
from tests.integration.workers.running import LEASE, MakeWorker, ended
from tests.queue_server import QueueServer
from tests.queue_state import assert_nothing_left, limited, new_job
from tests.waiting import eventually, is_alive
from workers.queue import keys
from workers.queue.broker import Broker
from workers.queue.records import State


async def test_a_restarted_node_takes_its_lost_jobs_back_at_once(
    broker: Broker, shared_server: QueueServer, make_worker: MakeWorker, hold: Callable
) -> None:
    worker = await make_worker(shared_server, LEASE_SECONDS=60).ready()
    job = await hold(broker, "job")
    await job.begun()

    worker.kill()
    await worker.ready()

    await job.begun(attempts=2, within=5)
    job.let_go()
    view = await ended(broker, "job")
    assert (view.state, view.tries) == (State.SUCCESS, 2)
    assert orjson.loads(view.result)["pid"] == job.attempts[1]


async def test_another_node_takes_over_when_the_lease_has_ended(
    broker: Broker, redis: ArqRedis, shared_server: QueueServer, make_worker: MakeWorker,
    hold: Callable,
) -> None:  # fmt: skip
    lost = await make_worker(shared_server, "lost").ready()
    job = await hold(broker, "job")
    await job.begun()
    heir = await make_worker(shared_server, "heir").ready()

    lost.kill()

    await job.begun(attempts=2, within=LEASE + 2)
    job.let_go()
    view = await ended(broker, "job")
    assert (view.state, view.tries, view.worker) == (State.SUCCESS, 2, heir.name)
    heir.send(signal.SIGTERM)
    await heir.ended()
    await redis.delete(keys.worker(lost.name), keys.WORKERS)
    await assert_nothing_left(redis)


async def test_all_processes_are_gone_when_the_worker_is_killed(
    broker: Broker, shared_server: QueueServer, make_worker: MakeWorker, tmp_path: Path
) -> None:
    worker = await make_worker(shared_server).ready()
    told = tmp_path / "pids"
    await broker.create(
        new_job(
            "job", "hostile", params=orjson.dumps({"how": "block_everything", "text": str(told)})
        )
    )
    await eventually(told.exists)
    all_of_them = worker.descendants()
    assert set(pids_in(told)) < set(all_of_them)

    worker.kill()

    await eventually(lambda: not any(map(is_alive, all_of_them)), within=1)


async def test_a_worker_that_was_frozen_past_its_lease_cannot_overwrite(
    broker: Broker, shared_server: QueueServer, make_worker: MakeWorker, hold: Callable
) -> None:
    frozen = await make_worker(shared_server, "frozen").ready()
    job = await hold(broker, "job")
    await job.begun()
    heir = await make_worker(shared_server, "heir").ready()

    frozen.send(signal.SIGSTOP)
    await job.begun(attempts=2, within=LEASE + 2)
    job.let_go()
    before = await ended(broker, "job")
    # The frozen worker finds the outcome of its own child waiting, and hands it in.
    await eventually(lambda: not is_alive(job.attempts[0]) or before.is_final)
    frozen.send(signal.SIGCONT)

    await eventually(lambda: re.search(r"job_ended job=job .*verdict=(DUP|FENCED)", frozen.log))
    assert before.worker == heir.name
    assert await broker.read("job") == before


async def test_a_child_that_is_killed_from_outside_costs_its_job_one_attempt(
    broker: Broker, shared_server: QueueServer, make_worker: MakeWorker, hold: Callable
) -> None:
    worker = await make_worker(shared_server).ready()
    job, neighbour = await hold(broker, "job"), await hold(broker, "neighbour")
    await job.begun()
    await neighbour.begun()

    os.kill(job.attempts[0], signal.SIGKILL)

    await job.begun(attempts=2, within=2)
    job.let_go()
    neighbour.let_go()
    assert (await ended(broker, "job")).tries == 2
    assert (await ended(broker, "neighbour")).tries == 1
    await eventually(lambda: len(worker.children()) == 2, within=3)


async def test_a_concurrency_key_holds_over_nodes_and_deaths(
    broker: Broker, shared_server: QueueServer, make_worker: MakeWorker, hold: Callable
) -> None:
    workers = [await make_worker(shared_server, node).ready() for node in ("one", "two")]
    jobs = [await hold(broker, f"job-{n}", concurrency=limited(1)) for n in range(3)]
    await jobs[0].begun()
    holder = (await broker.read("job-0")).worker
    by_name = {worker.name: worker for worker in workers}

    by_name.pop(str(holder)).kill()
    [survivor] = by_name

    # Whoever comes next, comes after the dead one's lease and alone.
    await eventually(lambda: sum(len(job.attempts) for job in jobs) == 2, within=LEASE + 3)
    for job in jobs:
        job.let_go()
    views = [await ended(broker, job.id) for job in jobs]
    assert {(view.state, view.worker) for view in views} == {(State.SUCCESS, survivor)}
    spans = sorted((view.started_ms or 0, view.finished_ms or 0) for view in views)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans)), spans
