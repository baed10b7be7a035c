"""A worker that lives but takes no jobs ends, for its supervisor to start it anew."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from config.settings import Settings
from tests.queue_server import QueueServer

# No way to get there is known, so the fault is put in: a worker whose wait never ends.
STUCK_WORKER = """
import asyncio, sys
from workers import __main__, worker

async def wait_for_ever(self):
    await asyncio.sleep(1000)

worker.STUCK_SECONDS = 0.5
worker.Worker._wait_for_work = wait_for_ever
sys.argv = ["workers"]
sys.exit(__main__.main())
"""


def test_it_says_so_and_ends(
    own_server: QueueServer, make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(task_queue_url=own_server.url)
    monkeypatch.setenv("TASK_QUEUE_URL", own_server.url)
    monkeypatch.setenv("TASKS_DIR", str(settings.tasks_dir))
    monkeypatch.setenv("FILES_DIR", str(settings.files_dir))

    ended = subprocess.run(
        [sys.executable, "-c", STUCK_WORKER], capture_output=True, text=True, timeout=30
    )

    assert ended.returncode == 1
    assert "worker_stuck" in ended.stderr
    assert "nothing was claimed for" in ended.stderr
