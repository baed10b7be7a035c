"""A queue server that is away, or full, while workers run jobs."""

from collections.abc import Callable

import pytest
from arq.connections import ArqRedis

from tests.integration.workers.running import MakeWorker, ended, run
from tests.queue_server import QueueServer
from tests.queue_state import new_job
from tests.waiting import eventually
from workers.queue.broker import Broker
from workers.queue.errors import QueueFullError
from workers.queue.records import State


async def test_a_job_outlives_its_queue_server(
    own_server: QueueServer, own_broker: Broker, make_worker: MakeWorker, hold: Callable
) -> None:
    worker = await make_worker(own_server).ready()
    running, ending = await hold(own_broker, "running"), await hold(own_broker, "ending")
    await running.begun()
    await ending.begun()

    own_server.kill()
    ending.let_go()  # its outcome has nowhere to go for a while
    await eventually(lambda: "outcome_waits" in worker.log)
    own_server.start()

    assert (await ended(own_broker, "ending")).tries == 1
    running.let_go()
    view = await ended(own_broker, "running")
    assert (view.state, view.tries) == (State.SUCCESS, 1)
    assert (len(running.attempts), len(ending.attempts)) == (1, 1)
    assert (await run(own_broker, "echo", value=1)).state is State.SUCCESS


async def test_an_outcome_outlives_worker_and_queue_server(
    own_server: QueueServer, own_broker: Broker, make_worker: MakeWorker, hold: Callable
) -> None:
    worker = await make_worker(own_server).ready()
    job = await hold(own_broker, "job")
    await job.begun()

    own_server.kill()
    job.let_go()
    await eventually(lambda: list(worker.files.glob("fasttask/outcomes/*.outcome")))
    worker.kill()
    own_server.start()
    await worker.ready()

    view = await ended(own_broker, "job")
    assert (view.state, view.tries) == (State.SUCCESS, 1)
    assert len(job.attempts) == 1
    assert not list(worker.files.glob("fasttask/outcomes/*"))


async def test_an_outcome_is_taken_by_a_server_at_its_memory_limit(
    own_server: QueueServer, own_broker: Broker, own_redis: ArqRedis, make_worker: MakeWorker,
    hold: Callable,
) -> None:  # fmt: skip
    await make_worker(own_server, LEASE_SECONDS=60).ready()
    job = await hold(own_broker, "job")
    await job.begun()
    await own_redis.config_set("maxmemory", "1mb")
    with pytest.raises(QueueFullError):
        await own_broker.create(new_job())

    job.let_go()

    view = await ended(own_broker, "job")
    assert (view.state, view.tries) == (State.SUCCESS, 1)


async def test_a_worker_waits_for_a_queue_server_that_is_not_there_yet(
    own_server: QueueServer, own_broker: Broker, make_worker: MakeWorker
) -> None:
    own_server.kill()
    worker = make_worker(own_server)
    worker.start()
    await eventually(lambda: "queue_server_away" in worker.log)

    own_server.start()

    assert (await run(own_broker, "echo", value=1)).state is State.SUCCESS
