"""A `python -m workers` process of a node of its own."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.conftest import SAMPLE_TASKS
from tests.waiting import eventually, is_alive


class WorkerProcess:
    """The worker of the node whose files lie in ``folder``; may be started again and again."""

    def __init__(
        self, folder: Path, queue_url: str, python: str = sys.executable, **environment: Any
    ) -> None:
        """``environment`` holds settings by their names in the environment."""
        self._folder = folder
        self._python = python
        self._log_file = folder / "log"
        self._settings = {
            "TASKS_DIR": SAMPLE_TASKS,
            "TASK_QUEUE_URL": queue_url,
            "FILES_DIR": folder / "files",
            "WORKER_CONCURRENCY": 2,
            "LEASE_SECONDS": 3,
            "HEARTBEAT_SECONDS": 0.5,
            "GRACE_SECONDS": 0,
            **environment,
        }
        folder.mkdir(exist_ok=True)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def files(self) -> Path:
        """Its FILES_DIR."""
        return Path(self._settings["FILES_DIR"])

    @property
    def pid(self) -> int:
        """The process id of the worker's parent process."""
        assert self.process is not None
        return self.process.pid

    @property
    def log(self) -> str:
        """All that it and its tasks have written, over all its starts."""
        return self._log_file.read_text() if self._log_file.exists() else ""

    @property
    def name(self) -> str:
        """Its name on the queue server, once it is ready."""
        found = re.findall(r"worker_ready name=(\S+)", self.log)
        return str(found[-1])

    def start(self) -> None:
        """Start the process; see :meth:`ready`."""
        environment = {**os.environ, **{k: str(v) for k, v in self._settings.items()}}
        with self._log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [self._python, "-m", "workers"],
                env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    async def ready(self) -> "WorkerProcess":
        """Start it and wait until it takes jobs."""
        starts = self.log.count("worker_ready")
        self.start()
        await eventually(lambda: self.log.count("worker_ready") > starts or self._has_ended())
        assert not self._has_ended(), self.log
        return self

    def send(self, number: signal.Signals) -> None:
        """Signal the parent process alone."""
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL the parent process, if it runs; its children have to notice by themselves."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)

    def descendants(self) -> list[int]:
        """The process ids of all its live descendants."""
        found = [self.pid]
        for parent in found:
            found += [pid for pid, ppid in parents().items() if ppid == parent]
        return [pid for pid in found[1:] if is_alive(pid)]

    def children(self) -> list[int]:
        """The process ids of the live processes that run jobs."""
        [server] = [pid for pid, ppid in parents().items() if ppid == self.pid and is_alive(pid)]
        return [pid for pid, ppid in parents().items() if ppid == server and is_alive(pid)]

    async def ended(self, within: float = 15.0) -> int:
        """Wait until it has ended; its exit status."""
        await eventually(self._has_ended, within)
        assert self.process is not None
        return self.process.wait()

    def _has_ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None


def parents() -> dict[int, int]:
    """The parent of every process there is."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            found[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    return found
