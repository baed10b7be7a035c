"""A standard arq client against our queue and a real worker."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path

import arq
import pytest
from arq.connections import ArqRedis, RedisSettings
from arq.jobs import Job, JobStatus

from tests.queue_server import QueueServer
from tests.queue_state import new_job
from tests.waiting import eventually, is_alive
from tests.worker_process import WorkerProcess
from workers.queue import keys
from workers.queue.broker import Broker
from workers.queue.records import State
from workers.queue.serializer import TaskFailedError, deserialize, serialize

POLL = 0.02  # seconds; how often the client looks for a result


@pytest.fixture
async def client(shared_server: QueueServer, redis: ArqRedis) -> AsyncIterator[ArqRedis]:  # noqa: ARG001  an empty server
    """What a user of arq writes."""
    settings = RedisSettings(unix_socket_path=str(shared_server.socket))
    pool = await arq.create_pool(settings, job_serializer=serialize, job_deserializer=deserialize)
    yield pool
    await pool.aclose(close_connection_pool=True)


@pytest.fixture
async def worker(
    client: ArqRedis,  # noqa: ARG001  an empty server
    shared_server: QueueServer,
    make_worker: Callable[..., WorkerProcess],
) -> WorkerProcess:
    """A worker that runs."""
    return await make_worker(shared_server).ready()


async def enqueue(client: ArqRedis, task: str, **arguments: object) -> Job:
    """Enqueue a job as a user of arq does."""
    job = await client.enqueue_job(task, _queue_name=f"arq:queue:{task}", **arguments)
    assert job is not None
    return job


@pytest.mark.usefixtures("worker")
async def test_a_job_runs_and_its_result_comes_back(client: ArqRedis) -> None:
    job = await enqueue(client, "echo", value={"a": [1, "ü", None]})

    assert await job.result(timeout=10, poll_delay=POLL) == {"value": {"a": [1, "ü", None]}}
    assert await job.status() is JobStatus.complete
    info = await job.result_info()
    assert info is not None
    assert (info.function, list(info.args), info.success, info.job_try) == ("echo", [], True, 1)
    assert info.kwargs == {"value": {"a": [1, "ü", None]}}
    assert info.queue_name == "arq:queue:echo"
    assert info.enqueue_time <= info.start_time <= info.finish_time
    assert isinstance(info.start_time, datetime)


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    ("task", "arguments", "says"),
    [
        ("hostile", {"how": "raise_value_error", "text": "hello"}, "ValueError: hello"),
        ("hostile", {"how": "exit_with_7"}, "exited with status 7"),
        ("hostile", {}, "how"),
        ("hostile", {"how": ["no", "text"]}, "how"),
    ],
)
async def test_a_failure_is_raised_with_its_reason(
    client: ArqRedis, task: str, arguments: dict[str, object], says: str
) -> None:
    job = await enqueue(client, task, **arguments)

    with pytest.raises(TaskFailedError, match=says):
        await job.result(timeout=10, poll_delay=POLL)


@pytest.mark.usefixtures("worker")
async def test_positional_arguments_are_refused_with_a_reason(client: ArqRedis) -> None:
    job = await client.enqueue_job("echo", 1, _queue_name="arq:queue:echo")
    assert job is not None

    with pytest.raises(TaskFailedError, match="pass keywords"):
        await job.result(timeout=10, poll_delay=POLL)


async def test_a_queued_job_can_be_aborted(
    client: ArqRedis, shared_server: QueueServer, make_worker: Callable[..., WorkerProcess]
) -> None:
    job = await enqueue(client, "echo", value=1)
    assert await job.status() is JobStatus.queued
    aborting = asyncio.create_task(job.abort(timeout=15, poll_delay=POLL))
    await eventually(lambda: client.zscore(keys.ABORT, job.job_id))

    await make_worker(shared_server).ready()

    assert await aborting is True
    assert await client.zcard(keys.ABORT) == 0


@pytest.mark.usefixtures("worker")
async def test_a_running_job_can_be_aborted(client: ArqRedis, tmp_path: Path) -> None:
    record = tmp_path / "record"
    job = await enqueue(client, "hold", record=str(record))
    await eventually(record.exists)
    assert await job.status() is JobStatus.in_progress

    assert await job.abort(timeout=10, poll_delay=POLL) is True

    pid = int(_read(record))
    await eventually(lambda: not is_alive(pid), within=2)
    assert await job.status() is JobStatus.complete
    assert await client.zcard("arq:queue:hold") == 0


@pytest.mark.usefixtures("worker")
async def test_a_job_that_ended_cannot_be_aborted_and_keeps_its_result(client: ArqRedis) -> None:
    job = await enqueue(client, "echo", value=1)
    await job.result(timeout=10, poll_delay=POLL)

    assert await job.abort(timeout=10, poll_delay=POLL) is False
    assert await job.result(timeout=1) == {"value": 1}


async def test_a_deferred_job_waits(client: ArqRedis, broker: Broker) -> None:
    job = await client.enqueue_job("echo", _queue_name="arq:queue:echo", _defer_by=60)
    assert job is not None

    assert await job.status() is JobStatus.deferred
    assert (await broker.claim("w", 1, ["echo"])).jobs == []


async def test_queued_jobs_lists_what_waits_whoever_created_it(
    client: ArqRedis, broker: Broker
) -> None:
    theirs = await enqueue(client, "echo", value=1)
    await broker.create(new_job("ours", "echo", params=b'{"value":2}'))

    listed = await client.queued_jobs(queue_name="arq:queue:echo")
    assert {(job.job_id, job.kwargs["value"]) for job in listed} == {
        (theirs.job_id, 1),
        ("ours", 2),
    }


async def test_a_job_of_ours_has_every_status_that_arq_knows(
    client: ArqRedis, broker: Broker
) -> None:
    job = Job("ours", client, "arq:queue:echo", deserialize)
    assert await job.status() is JobStatus.not_found

    await broker.create(new_job("ours", "echo", params=b'{"value":2}'))
    assert await job.status() is JobStatus.queued
    info = await job.info()
    assert info is not None
    assert (info.function, info.kwargs, info.job_try) == ("echo", {"value": 2}, None)

    [claimed] = (await broker.claim("w", 1, ["echo"])).jobs
    assert await job.status() is JobStatus.in_progress

    await broker.release(claimed, delay=60)
    assert await job.status() is JobStatus.deferred
    await client.zadd("arq:queue:echo", {"ours": 1})

    [claimed] = (await broker.claim("w", 1, ["echo"])).jobs
    await broker.finish(claimed, State.SUCCESS, b'{"value":2}')
    assert await job.status() is JobStatus.complete
    assert await job.result() == {"value": 2}
    result = await job.result_info()
    assert result is not None
    assert result.job_try == 2


async def test_a_job_of_ours_that_was_revoked_looks_aborted(
    client: ArqRedis, broker: Broker
) -> None:
    await broker.create(new_job("ours", "echo"))
    await broker.revoke("ours")

    with pytest.raises(asyncio.CancelledError):
        await Job("ours", client, "arq:queue:echo", deserialize).result(timeout=1)


async def test_our_view_of_a_job_of_theirs(
    client: ArqRedis, broker: Broker, worker: WorkerProcess
) -> None:
    job = await enqueue(client, "echo", value=1)
    await job.result(timeout=10, poll_delay=POLL)

    view = await broker.read(job.job_id)
    assert (view.state, view.task, view.worker, view.tries) == (
        State.SUCCESS,
        "echo",
        worker.name,
        1,
    )
    assert view.result == b'{"value":1}'


def _read(path: Path) -> str:
    return path.read_text()
