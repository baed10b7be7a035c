"""What the holder of TASK_QUEUE_PASSWD may do on the queue server, and what only its admin may."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import arq
import pytest
from arq.connections import RedisSettings
from arq.jobs import Job, JobStatus
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError

from tests.conftest import SAMPLE_TASKS
from tests.integration.deploy.conftest import Commands
from tests.integration.deploy.test_queue_server import start_server
from tests.waiting import eventually
from tests.worker_process import WorkerProcess
from workers.queue.serializer import deserialize, serialize

PASSWORD = "of-the-workers"
FORBIDDEN = (
    "CONFIG GET dir", "CONFIG SET dir /tmp", "FLUSHALL", "FLUSHDB", "KEYS *", "SCAN 0", "DBSIZE",
    "DEBUG SLEEP 0", "MODULE LIST", "SHUTDOWN NOSAVE", "ACL LIST", "ACL SETUSER default +@all",
    "SAVE", "BGSAVE", "BGREWRITEAOF", "REPLICAOF 127.0.0.1 1", "MONITOR", "CLIENT LIST",
    "CLIENT KILL TYPE normal", "CLIENT PAUSE 1000", "INFO", "SCRIPT FLUSH", "SCRIPT KILL",
    "FUNCTION FLUSH", "SWAPDB 0 1", "SLOWLOG GET", "LATENCY RESET", "SORT ft:x", "RANDOMKEY",
    "SET others:key 1", "GET others:key", "PUBLISH others-channel x", "PSUBSCRIBE *",
)  # fmt: skip


@pytest.fixture
def node(commands: Callable[..., Commands], free_port: Callable[[], int]) -> Commands:
    """A node whose queue server runs, on a port."""
    node = commands(task_queue_port=free_port(), task_queue_passwd=PASSWORD, tasks_dir=SAMPLE_TASKS)
    start_server(node)
    return node


def log_in(node: Commands, **credentials: Any) -> Redis:
    return Redis(host="127.0.0.1", port=node.settings.task_queue_port or 0, **credentials)


def url(node: Commands) -> str:
    return f"redis://:{PASSWORD}@127.0.0.1:{node.settings.task_queue_port}"


def test_a_worker_can_neither_rule_the_server_nor_leave_our_keys(node: Commands) -> None:
    with log_in(node, password=PASSWORD) as worker:
        for command in FORBIDDEN:
            with pytest.raises(ResponseError) as refused:
                worker.execute_command(*command.split())
            # DEBUG and MODULE are not even looked up in the list.
            text = str(refused.value)
            assert isinstance(refused.value, NoPermissionError) or "not allowed" in text, command
        assert worker.set("ft:key", "1")


def call_in_a_script(worker: Redis, expression: str) -> None:
    body = f"function() return {expression} end"
    worker.function_load(
        f"#!lua name=other\nredis.register_function('other', {body})", replace=True
    )
    worker.fcall("other", 0)


@pytest.mark.parametrize("call", ["'FLUSHALL'", "'KEYS', '*'", "'GET', 'others:key'"])
def test_a_script_may_do_no_more_than_its_caller(node: Commands, call: str) -> None:
    refusal = r"ACL failure|user executing the script can't"
    with log_in(node, password=PASSWORD) as worker, pytest.raises(ResponseError, match=refusal):
        call_in_a_script(worker, f"redis.call({call})")


@pytest.mark.parametrize("read", ["dofile({!r})", "io.open({!r}):read('*a')", "loadfile({!r})()"])
def test_a_script_cannot_read_the_masters_files(node: Commands, read: str) -> None:
    node.settings.users_file.write_text('{"somebody": "his-password"}')
    with log_in(node, password=PASSWORD) as worker, pytest.raises(ResponseError) as refused:
        call_in_a_script(worker, read.format(str(node.settings.users_file)))
    assert "his-password" not in str(refused.value)
    assert "No such" not in str(refused.value)  # it did not get as far as looking


def test_the_admin_has_a_password_that_workers_do_not_know(node: Commands) -> None:
    password = node.settings.queue_admin_password_file.read_text()
    with log_in(node, username="admin", password=password) as admin:
        assert admin.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    for user in ("admin", "worker", "default"):
        wrong = PASSWORD if user != "default" else password
        guess = log_in(node, username=user, password=wrong)
        with guess, pytest.raises(AuthenticationError):
            guess.ping()


@pytest.fixture
def worker(node: Commands, tmp_path: Path) -> Iterator[WorkerProcess]:
    """A worker process that logs in with the password."""
    worker = WorkerProcess(tmp_path / "worker", url(node))
    yield worker
    worker.kill()


async def test_an_arq_client_with_the_password_works_as_it_did(
    node: Commands, worker: WorkerProcess
) -> None:
    settings = RedisSettings.from_dsn(url(node))
    client = await arq.create_pool(settings, job_serializer=serialize, job_deserializer=deserialize)
    try:
        waiting = await client.enqueue_job("echo", value=1, _queue_name="arq:queue:echo")
        assert waiting is not None
        assert [job.job_id for job in await client.queued_jobs(queue_name="arq:queue:echo")] == [
            waiting.job_id
        ]
        await worker.ready()
        assert await waiting.result(timeout=10, poll_delay=0.02) == {"value": 1}
        info = await waiting.result_info()
        assert info is not None
        assert info.success
        await _abort_a_running_job(client, worker.files / "record")
    finally:
        await client.aclose(close_connection_pool=True)
    assert "NOPERM" not in worker.log
    assert "no permission" not in worker.log.lower()


async def _abort_a_running_job(client: arq.ArqRedis, record: Path) -> None:
    running: Job | None = await client.enqueue_job(
        "hold", record=str(record), _queue_name="arq:queue:hold"
    )
    assert running is not None
    await eventually(record.exists)
    assert await running.status() is JobStatus.in_progress
    assert await running.abort(timeout=10, poll_delay=0.02)
