"""A worker that is told to stop hands back what it has not done."""

import asyncio
import signal
from collections.abc import Callable

from arq.connections import ArqRedis

from tests.integration.workers.running import MakeWorker, ended, run
from tests.queue_server import QueueServer
from tests.queue_state import meta_of, new_job
from tests.waiting import eventually, is_alive
from workers.queue.broker import Broker
from workers.queue.records import State


async def test_a_stopping_worker_hands_its_jobs_back_without_a_crash(
    broker: Broker, redis: ArqRedis, shared_server: QueueServer, make_worker: MakeWorker,
    hold: Callable,
) -> None:  # fmt: skip
    first = await make_worker(shared_server, "first").ready()
    job = await hold(broker, "job")
    await job.begun()

    first.send(signal.SIGTERM)
    assert await first.ended(within=5) == 0

    assert not is_alive(job.attempts[0])
    assert (await broker.read("job")).state is State.RETRY
    assert "crashes" not in await meta_of(redis, "job")
    assert (await broker.statistics([])).workers == {}
    second = await make_worker(shared_server, "second").ready()
    await job.begun(attempts=2)
    job.let_go()
    view = await ended(broker, "job")
    assert (view.state, view.worker) == (State.SUCCESS, second.name)


async def test_a_stopping_worker_keeps_no_job_that_it_was_about_to_take(
    broker: Broker, redis: ArqRedis, shared_server: QueueServer, make_worker: MakeWorker,
) -> None:  # fmt: skip
    worker = await make_worker(shared_server).ready()
    await run(broker, "echo", value=1)
    worker.send(signal.SIGSTOP)
    assert await broker.create(new_job("job", "echo", params=b'{"value": 1}'))
    shared_server.pause()
    try:
        worker.send(signal.SIGCONT)
        await asyncio.sleep(0.3)  # its claim is under way
        worker.send(signal.SIGTERM)
        await eventually(lambda: "worker_stops" in worker.log)
    finally:
        shared_server.resume()

    assert await worker.ended(within=5) == 0
    assert (await broker.read("job")).state in (State.SUCCESS, State.RETRY)
    assert "token" not in await meta_of(redis, "job")


async def test_a_stopping_worker_lets_jobs_end_within_the_grace(
    broker: Broker, shared_server: QueueServer, make_worker: MakeWorker, hold: Callable
) -> None:
    worker = await make_worker(shared_server, GRACE_SECONDS=20).ready()
    job = await hold(broker, "job")
    await job.begun()
    waiting = [await hold(broker, f"waits-{n}") for n in range(3)]

    worker.send(signal.SIGTERM)
    await eventually(lambda: "worker_stops" in worker.log)
    job.let_go()
    for one in waiting:
        one.let_go()

    assert await worker.ended(within=10) == 0
    view = await broker.read("job")
    assert (view.state, view.tries) == (State.SUCCESS, 1)
