"""What a task's process may take up of its machine, enforced by the kernel: setrlimit(2).

The limits hold for each process. They are there for mistakes, such as a list that never stops
growing; a task that means harm has other ways.
"""

import contextlib
import math
import resource
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import FrameType


class CpuTimeExceeded(Exception):
    """The task has used TASK_CPU_SECONDS of CPU time."""


def limit_memory(extra_bytes: int) -> None:
    """Let this process take ``extra_bytes`` more memory of its own than it has; 0: no limit.

    What is asked for beyond that raises MemoryError; C code may also crash. Counted is private
    memory that can be written, not address space: libraries reserve much that they never use.
    """
    if extra_bytes:
        _set(resource.RLIMIT_DATA, _private_bytes() + extra_bytes)


def limit_open_files(number: int) -> None:
    """Let this process have so many files and connections open; 0: as many as it inherits."""
    if number:
        _set(resource.RLIMIT_NOFILE, number)


def cpu_time_limit(seconds: int) -> AbstractContextManager[None]:
    """Raise CpuTimeExceeded in the block when it has used so much CPU time; 0: no limit.

    The kernel repeats the signal every second, so a task that catches the exception gets the next.
    Code that does not come back to the interpreter is stopped by TIME_LIMIT only. Processes that
    the task starts are ended by the signal itself.
    """
    return _limited_cpu_time(seconds) if seconds else contextlib.nullcontext()


@contextlib.contextmanager
def _limited_cpu_time(seconds: int) -> Iterator[None]:
    armed = True

    def ring(_signal: int, _frame: FrameType | None) -> None:
        if armed:
            raise CpuTimeExceeded(f"the task used more than TASK_CPU_SECONDS={seconds}")

    before = resource.getrlimit(resource.RLIMIT_CPU)
    signal.signal(signal.SIGXCPU, ring)
    _set_soft(resource.RLIMIT_CPU, math.ceil(_used_seconds() + seconds), before)
    try:
        yield
    finally:
        armed = False
        resource.setrlimit(resource.RLIMIT_CPU, before)


def _set(kind: int, value: int) -> None:
    """Set a limit for good: the process cannot raise it again."""
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def _set_soft(kind: int, value: int, before: tuple[int, int]) -> None:
    _, hard = before
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, hard))


def _used_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _private_bytes() -> int:
    """What RLIMIT_DATA counts of this process: proc_pid_status(5), VmData."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 0
