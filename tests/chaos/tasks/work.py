"""A task that keeps a record of its attempts outside the queue, and misbehaves when told to."""

import ctypes
import os
import resource
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

from pydantic import BaseModel

MEMORY_LIMIT = 512 * 2**20  # bytes of address space on top of what the process has


class Params(BaseModel):
    key: str
    seconds: float = 0.0
    how: str = ""


class Result(BaseModel):
    key: str
    attempt: str


def out_of_memory():
    """Allocate up to a limit of our own, then end as the kernel ends a process without memory."""
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY_LIMIT, resource.RLIM_INFINITY))
    held = []
    try:
        while True:
            held.append(b"x" * 2**23)
    except MemoryError:
        os.kill(os.getpid(), signal.SIGKILL)


def take_all_memory():
    """Leave it to the kernel to end that; on a machine without limits, end after a GiB."""
    held = [b"x" * 2**23 for _ in range(128)]
    raise MemoryError(f"nobody minded {len(held)} pieces")


def segfault():
    ctypes.string_at(0)


def ignore_the_soft_limit():
    while True:
        try:
            while True:
                time.sleep(0.01)
        except BaseException:
            continue


def never_leave_c():
    sum(range(10**15))


def block_signals():
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while True:
        time.sleep(60)


def have_a_grandchild():
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    ignore_the_soft_limit()


def have_an_estranged_grandchild():
    """One in a session of its own, whose parent has ended."""
    subprocess.run(["sh", "-c", "setsid sleep 600 &"], check=True)
    ignore_the_soft_limit()


MISBEHAVIOUR = {
    "out of memory": out_of_memory,
    "all memory": take_all_memory,
    "segfault": segfault,
    "exit 0": lambda: os._exit(0),
    "exit 7": lambda: os._exit(7),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "ignore": ignore_the_soft_limit,
    "c": never_leave_c,
    "blocked": block_signals,
    "grandchild": have_a_grandchild,
    "estranged grandchild": have_an_estranged_grandchild,
}


def note(key, attempt, what):
    """One line, written at once: many processes append to this file."""
    line = f"{key} {attempt} {what} {time.monotonic():.6f} {os.getpid()}\n"
    file = os.open(
        Path(os.environ["FILES_DIR"]) / "attempts", os.O_WRONLY | os.O_APPEND | os.O_CREAT
    )
    os.write(file, line.encode())
    os.close(file)


def work(key, seconds=0.0, how=""):
    """Take a while, and say before and after that it did."""
    attempt = secrets.token_hex(6)
    note(key, attempt, "start")
    if how:
        MISBEHAVIOUR[how]()
    time.sleep(seconds)
    note(key, attempt, "end")
    return {"key": key, "attempt": attempt}
