"""Jobs that are taken back while a worker runs them."""

import asyncio
import random
from collections.abc import Callable

import pytest
from arq.connections import ArqRedis

from tests.integration.workers.running import (
    MakeWorker,
    assert_nothing_left_but_presence,
    ended,
    run,
)
from tests.queue_server import QueueServer
from tests.queue_state import new_job, spoil_meta
from tests.waiting import eventually, is_alive
from workers.queue.broker import Broker
from workers.queue.records import State


async def test_a_running_job_that_is_revoked_is_killed(
    broker: Broker, redis: ArqRedis, shared_server: QueueServer, make_worker: MakeWorker,
    hold: Callable,
) -> None:  # fmt: skip
    worker = await make_worker(shared_server).ready()
    job, neighbour = await hold(broker, "job"), await hold(broker, "neighbour")
    await job.begun()
    await neighbour.begun()

    assert (await broker.revoke("job")).accepted
    await eventually(lambda: not is_alive(job.attempts[0]), within=2)
    neighbour.let_go()

    assert (await ended(broker, "neighbour")).tries == 1
    assert (await broker.read("job")).state is State.REVOKED
    await eventually(lambda: len(worker.children()) == 2)
    assert (await run(broker, "echo", value=1)).state is State.SUCCESS
    await assert_nothing_left_but_presence(redis)


async def test_a_revoke_whose_message_was_lost_takes_effect_by_the_next_heartbeat(
    broker: Broker, redis: ArqRedis, shared_server: QueueServer, make_worker: MakeWorker,
    hold: Callable,
) -> None:  # fmt: skip
    await make_worker(shared_server).ready()
    job = await hold(broker, "job")
    await job.begun()

    await spoil_meta(redis, "job", worker="somebody@else")
    await broker.revoke("job")
    await eventually(lambda: not is_alive(job.attempts[0]), within=2)


@pytest.mark.parametrize("seed", range(2))
async def test_revokes_at_random_times_never_hit_a_neighbour(
    broker: Broker, redis: ArqRedis, shared_server: QueueServer, make_worker: MakeWorker, seed: int
) -> None:
    dice = random.Random(seed)
    await make_worker(shared_server).ready()
    ids = [f"{n:03}" for n in range(60)]
    revoked = set(dice.sample(ids, 20))
    for job_id in ids:
        await broker.create(new_job(job_id, "echo", params=b'{"value":1}'))
        if job_id in revoked:
            await asyncio.sleep(dice.uniform(0, 0.004))
            if not (await broker.revoke(job_id)).accepted:
                revoked.discard(job_id)

    views = {job_id: await ended(broker, job_id) for job_id in ids}
    assert {i for i, view in views.items() if view.state is State.REVOKED} == revoked
    assert all(views[i].state is State.SUCCESS for i in set(ids) - revoked)
    await assert_nothing_left_but_presence(redis)
