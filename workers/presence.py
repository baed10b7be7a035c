"""What a worker says of itself at every heartbeat; `status_info` shows it."""

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class ActiveJob:
    """A job that runs now, or waits in a slot for a moment."""

    id: str
    task: str
    started: float = field(default_factory=time.time)  #: seconds since 1970, by this host's clock
    told: bool = False  #: whether a line of the log says that it runs


@dataclass(frozen=True, slots=True)
class Presence:
    """The part of a worker's presence that does not change while it runs."""

    name: str
    host: str
    concurrency: int
    tasks: tuple[str, ...]
    started: float = field(default_factory=time.monotonic)

    def now(self, active: Iterable[ActiveJob], children: Iterable[int]) -> dict[str, Any]:
        """The whole presence as JSON-ready dict; `uptime` in seconds, `max_rss` in KiB."""
        return {
            "name": self.name,
            "host": self.host,
            "pid": os.getpid(),
            "concurrency": self.concurrency,
            "tasks": list(self.tasks),
            "uptime": round(time.monotonic() - self.started, 1),
            "max_rss": sum(map(peak_memory_kib, [os.getpid(), *children])),
            "active_tasks": [
                {"id": job.id, "task": job.task, "started_at": _iso(job.started)} for job in active
            ],
        }


def peak_memory_kib(pid: int) -> int:
    """The peak resident memory of a process in KiB, 0 if it is gone: proc_pid_status(5)."""
    try:  # a task may name its process, in any encoding, and the kernel cuts that after 15 bytes
        status = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except OSError:
        return 0
    return next((int(x.split()[1]) for x in status.splitlines() if x.startswith("VmHWM:")), 0)


def _iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
