"""Tasks that run as another user than the node, and what that keeps from them.

Needs root, as the setting does, and a folder with this project and its packages that others may
read. Of a Python that is shut away, such as one below /root, a copy is made.
"""

import os
import pwd
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.conftest import SAMPLE_TASKS
from tests.held_jobs import pids_in
from tests.open_python import OpenPython, copied_python, present_python
from tests.queue_server import QueueServer
from tests.queue_state import new_job
from tests.waiting import eventually, is_alive
from tests.worker_process import WorkerProcess
from workers.queue.broker import Broker
from workers.queue.records import FINAL_STATES, JobView, State

USER = "nobody"
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="not root, so no process of another user can be started"
)


@pytest.fixture(scope="module")
def python() -> Iterator[OpenPython]:
    """A Python that the tasks' user may run."""
    entry = pwd.getpwnam(USER)
    if present_python().problem(entry.pw_uid, entry.pw_gid) is None:
        yield present_python()
        return
    with tempfile.TemporaryDirectory(prefix="ft-python-") as folder:
        os.chmod(folder, 0o755)  # noqa: PTH101, S103  that is what it is for
        python = copied_python(Path(folder))
        if problem := python.problem(entry.pw_uid, entry.pw_gid):
            pytest.skip(f"{USER} may not run our code: {problem}")
        yield python


@pytest.fixture
def make_worker(
    folder: Path, shared_server: QueueServer, python: OpenPython
) -> Iterator[Callable[..., WorkerProcess]]:
    """Makes the worker of root whose tasks are somebody else's; it is not started."""
    made: list[WorkerProcess] = []

    def make(**settings: Any) -> WorkerProcess:
        given = {"TASK_USER": USER, **python.environment, **settings}
        worker = WorkerProcess(folder / "node", shared_server.url, python.command, **given)
        made.append(worker)
        return worker

    yield make
    for worker in made:
        worker.kill()
        sys.stdout.write(worker.log)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may use, unlike pytest's."""
    folder = Path(tempfile.mkdtemp(prefix="ft-user-"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def worker(make_worker: Callable[..., WorkerProcess]) -> WorkerProcess:
    """One with time limits."""
    return make_worker(SOFT_TIME_LIMIT=5, TIME_LIMIT=6)


async def result_of(broker: Broker, job_id: str, **params: Any) -> JobView:
    """Run a job of the task `hostile` to its end."""
    await broker.create(new_job(job_id, "hostile", params=orjson.dumps(params)))

    async def ended() -> bool:
        return (await broker.read(job_id)).state in FINAL_STATES

    await eventually(ended)
    return await broker.read(job_id)


async def test_a_task_has_no_right_but_its_users(broker: Broker, worker: WorkerProcess) -> None:
    await worker.ready()
    view = await result_of(broker, "who", how="read_file", text="/proc/self/status")
    assert view.state is State.SUCCESS, view.result
    status = dict(
        line.split(":\t", 1) for line in orjson.loads(view.result or b"")["answer"].splitlines()
    )
    entry = pwd.getpwnam(USER)
    assert status["Uid"].split() == [str(entry.pw_uid)] * 4
    assert status["Gid"].split() == [str(entry.pw_gid)] * 4
    assert set(status["Groups"].split()) <= {str(entry.pw_gid)}
    assert status["NoNewPrivs"] == "1"
    for kind in ("CapPrm", "CapEff", "CapAmb"):
        assert int(status[kind], 16) == 0


async def test_a_task_can_read_neither_passwords_nor_keys_nor_reach_the_queue(
    broker: Broker, worker: WorkerProcess, shared_server: QueueServer
) -> None:
    own = worker.files / "fasttask"
    for name in ("conf/queue_password", "conf/user_to_passwd.json", "ssl_cert/key.pem"):
        (own / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        (own / name).write_text("secret")
        (own / name).chmod(0o600)
    await worker.ready()
    reached = [own / "conf/queue_password", own / "conf/user_to_passwd.json"]
    reached += [own / "ssl_cert/key.pem", Path(f"/proc/{worker.pid}/environ")]
    for number, path in enumerate(reached):
        view = await result_of(broker, f"read{number}", how="read_file", text=str(path))
        assert view.state is State.FAILURE, path
        assert b"PermissionError" in (view.result or b""), view.result
    view = await result_of(broker, "queue", how="connect_to", text=str(shared_server.socket))
    assert b"PermissionError" in (view.result or b""), view.result
    environment = await result_of(broker, "env", how="tell_environment", text="TASK_QUEUE_URL")
    assert orjson.loads(environment.result or b"") == {"answer": "not there"}


async def test_its_processes_end_like_all_others(
    broker: Broker, worker: WorkerProcess, folder: Path
) -> None:
    told = folder / "told"
    await worker.ready()
    params = orjson.dumps({"how": "block_everything", "text": str(told)})
    await broker.create(new_job("stubborn", "hostile", params=params))
    await eventually(told.exists)
    pids = pids_in(told)
    assert (await broker.revoke("stubborn")).accepted
    await eventually(lambda: not any(map(is_alive, pids)))

    children = worker.children()
    worker.kill()
    await eventually(lambda: not any(map(is_alive, children)))


async def test_files_it_may_not_read_are_told_at_the_start(
    folder: Path, make_worker: Callable[..., WorkerProcess]
) -> None:
    tasks = folder / "tasks"
    shutil.copytree(SAMPLE_TASKS, tasks)
    os.chmod(tasks, 0o700)  # noqa: PTH101  no event loop waits for it
    worker = make_worker(TASKS_DIR=tasks)
    worker.start()
    assert await worker.ended() == 1
    assert "cannot_start" in worker.log
    assert "Permission denied" in worker.log
    assert "Traceback" not in worker.log
