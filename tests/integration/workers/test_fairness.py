"""Jobs of mixed lengths: none waits behind a long one while a slot is free on any node."""

from collections.abc import Callable
from pathlib import Path

import orjson
from arq.connections import ArqRedis

from tests.held_jobs import let_go
from tests.queue_server import QueueServer
from tests.queue_state import new_job
from tests.waiting import eventually
from tests.worker_process import WorkerProcess
from workers.queue import keys
from workers.queue.broker import Broker
from workers.queue.records import State

LONG = 3  # jobs, of four slots on two nodes
SHORT = 400


async def short_jobs(broker: Broker, name: str, count: int) -> list[str]:
    ids = [f"{name}-{n}" for n in range(count)]
    for job_id in ids:
        await broker.create(new_job(job_id, "echo", params=b'{"value":1}'))
    return ids


async def all_ended(broker: Broker, ids: list[str]) -> bool:
    return all([(await broker.read(job_id)).state is State.SUCCESS for job_id in ids])


async def test_short_jobs_end_beside_long_ones(
    own_server: QueueServer,
    own_broker: Broker,
    own_redis: ArqRedis,
    make_worker: Callable[..., WorkerProcess],
    tmp_path: Path,
) -> None:
    for node in ("one", "two"):
        await make_worker(own_server, node).ready()
    warm = await short_jobs(own_broker, "warm", SHORT)  # so that jobs are taken ahead
    await eventually(lambda: all_ended(own_broker, warm))

    records = [tmp_path / f"long-{n}" for n in range(LONG)]
    short: list[str] = []
    for number, record in enumerate(records):
        short += await short_jobs(own_broker, f"short-{number}", SHORT // LONG)
        params = orjson.dumps({"record": str(record)})
        await own_broker.create(new_job(record.name, "hold", params=params))
    short += await short_jobs(own_broker, "last", SHORT // LONG)

    await eventually(lambda: all_ended(own_broker, short))
    assert {(await own_broker.read(r.name)).state for r in records} == {State.STARTED}
    let_go(*records)
    await eventually(lambda: all_ended(own_broker, [record.name for record in records]))
    assert all(len(record.read_text().split()) == 1 for record in records), "each ran once"
    assert not await own_redis.exists(keys.DEAD)
