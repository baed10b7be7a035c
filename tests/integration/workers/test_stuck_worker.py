"""A worker that lives but takes no jobs ends, for its supervisor to start it anew."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from config.settings import Settings
from tests.held_jobs import let_go
from tests.queue_server import QueueServer
from tests.queue_state import new_job
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


async def succeeded(broker: Broker) -> bool:
    return (await broker.read("job")).state is State.SUCCESS


async def test_an_outage_is_not_taken_for_it_and_running_jobs_go_on(
    own_server: QueueServer, own_broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKER_CONCURRENCY", "2")  # so that a slot is free beside the job
    monkeypatch.setenv("LEASE_SECONDS", "0.9")
    monkeypatch.setenv("HEARTBEAT_SECONDS", "0.2")
    record, log = tmp_path / "record", tmp_path / "log"
    params = orjson.dumps({"record": str(record)})
    await own_broker.create(new_job("job", "hold", params=params))
    with log.open("wb") as output:
        worker = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WARY_WORKER, stderr=output
        )
    try:
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
    finally:
        with contextlib.suppress(ProcessLookupError):
            worker.kill()
        await worker.wait()
