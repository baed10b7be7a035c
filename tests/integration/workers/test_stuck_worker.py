"""A worker that fails, or lives but takes no jobs, ends, for its supervisor to start it anew."""

import asyncio
import contextlib
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import orjson
import pytest

from config.settings import Settings
from tests.held_jobs import let_go
from tests.queue_server import QueueServer
from tests.queue_state import meta_of, new_job
from tests.waiting import eventually
from workers.queue.broker import Broker
from workers.queue.records import State

# No way to get there is known, so the fault is put in: a worker whose wait never ends.
STUCK_WORKER = """
import asyncio, sys
from workers import __main__, worker

async def wait_for_ever(self, *arguments):
    await asyncio.sleep(1000)

worker.STUCK_SECONDS = 0.5
worker.Worker._claimed = wait_for_ever
sys.argv = ["workers"]
sys.exit(__main__.main())
"""


# Nor is any failure known; this one comes once there is a file.
FAILING_WORKER = """
import asyncio, os, sys
from workers import __main__, worker

async def fail(self):
    while not os.path.exists(os.environ["FAILS_ONCE_THERE_IS"]):
        await asyncio.sleep(0.01)
    raise RuntimeError("a bug")

worker.Worker._keep_presence = fail
sys.argv = ["workers"]
sys.exit(__main__.main())
"""


# A sound worker, all of whose times are shorter: as in the product, its longest pause between two
# tries is far below the time after which it takes itself for stuck.
WARY_WORKER = """
import sys
from workers import __main__, worker
from workers.queue import listeners

worker.STUCK_SECONDS = 1.5
listeners.SLOWEST_RECONNECT = 0.2
sys.argv = ["workers"]
sys.exit(__main__.main())
"""


@pytest.fixture(autouse=True)
def node(
    own_server: QueueServer, make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment of a worker on a queue server of its own."""
    settings = make_settings(task_queue_url=own_server.url)
    monkeypatch.setenv("TASK_QUEUE_URL", own_server.url)
    monkeypatch.setenv("TASKS_DIR", str(settings.tasks_dir))
    monkeypatch.setenv("FILES_DIR", str(settings.files_dir))


def test_it_says_so_and_ends() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", STUCK_WORKER], capture_output=True, text=True, timeout=30
    )

    assert ended.returncode == 1
    assert "worker_stuck" in ended.stderr
    assert "nothing was claimed for" in ended.stderr


@pytest.mark.parametrize("server", ["there", "away"])
async def test_one_that_fails_hands_its_jobs_back_and_ends(
    own_server: QueueServer, own_broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    server: str,
) -> None:  # fmt: skip
    record, failure = tmp_path / "record", tmp_path / "failure"
    monkeypatch.setenv("WORKER_CONCURRENCY", "1")  # so that it waits for a slot, not for a job
    monkeypatch.setenv("FAILS_ONCE_THERE_IS", str(failure))
    await own_broker.create(new_job("job", "hold", params=orjson.dumps({"record": str(record)})))
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FAILING_WORKER, stderr=asyncio.subprocess.PIPE
    )
    await eventually(record.exists)
    if server == "away":
        own_server.kill()

    failure.touch()

    try:
        _, said = await asyncio.wait_for(worker.communicate(), 20)
    finally:
        with contextlib.suppress(ProcessLookupError):
            worker.kill()
    assert worker.returncode == 1
    assert b"RuntimeError: a bug" in said
    if server == "there":
        assert (await own_broker.read("job")).state is State.RETRY
        assert "crashes" not in await meta_of(own_broker.redis, "job")


async def succeeded(broker: Broker, job_id: str = "job") -> bool:
    return (await broker.read(job_id)).state is State.SUCCESS


Start = Callable[[], Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
async def wary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Start]:
    """Starts a sound worker with two slots. What it says is in the file `log`."""
    monkeypatch.setenv("WORKER_CONCURRENCY", "2")  # so that a slot is free beside the job
    started: list[asyncio.subprocess.Process] = []

    async def start() -> asyncio.subprocess.Process:
        with (tmp_path / "log").open("wb") as output:
            started.append(
                await asyncio.create_subprocess_exec(
                    sys.executable, "-c", WARY_WORKER, stderr=output
                )
            )
        return started[-1]

    yield start
    for worker in started:
        with contextlib.suppress(ProcessLookupError):
            worker.kill()
        await worker.wait()


async def test_a_worker_that_was_frozen_goes_on_with_its_jobs(
    own_broker: Broker, wary: Start, tmp_path: Path
) -> None:
    record = tmp_path / "record"
    await own_broker.create(new_job("job", "hold", params=orjson.dumps({"record": str(record)})))
    worker = await wary()
    await eventually(record.exists)

    worker.send_signal(signal.SIGSTOP)
    await asyncio.sleep(2)  # longer than STUCK_SECONDS
    worker.send_signal(signal.SIGCONT)

    await own_broker.create(new_job("another", "echo", params=b'{"value":1}'))
    await eventually(lambda: succeeded(own_broker, "another"))
    let_go(record)
    await eventually(lambda: succeeded(own_broker))
    assert len(record.read_text().split()) == 1
    assert "worker_stuck" not in (tmp_path / "log").read_text()


async def test_an_outage_is_not_taken_for_it_and_running_jobs_go_on(
    own_server: QueueServer, own_broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    wary: Start,
) -> None:  # fmt: skip
    monkeypatch.setenv("LEASE_SECONDS", "0.9")
    monkeypatch.setenv("HEARTBEAT_SECONDS", "0.2")
    record, log = tmp_path / "record", tmp_path / "log"
    params = orjson.dumps({"record": str(record)})
    await own_broker.create(new_job("job", "hold", params=params))
    worker = await wary()
    await eventually(record.exists)
    own_server.kill()
    # At least 0.1 s lies between two tries, so these take longer than STUCK_SECONDS.
    await eventually(
        lambda: log.read_text().count("cannot_claim") >= 30 or worker.returncode is not None, 20
    )
    assert worker.returncode is None, log.read_text()
    own_server.start()
    let_go(record)
    await eventually(lambda: succeeded(own_broker))
    assert len(record.read_text().split()) == 1
