"""The fork server: a small process that has the tasks loaded and forks children on request.

The worker's parent process has an event loop and must not fork. This process has nothing but the
loaded tasks, so a fork of it is ready in milliseconds and shares their memory. It also knows for
certain which children live: it alone kills and reaps them, always with all their descendants. Each
child adopts the orphans among its own, so what this process comes to adopt is of a dead child.

It speaks with the parent over a sequenced-packet socket, JSON a packet:

    parent -> {"spawn": number} with the child's end of a stream socket and that of its tickets
    parent -> {"kill": pid}
    parent <- {"ready": true}, {"failed": text}
    parent <- {"spawned": number, "pid": pid}
    parent <- {"exited": pid, "status": wait status, "peak_kib": peak memory}

When the parent is gone, however it went, all children die and so does this process.
"""

import contextlib
import functools
import gc
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from resource import struct_rusage
from types import FrameType
from typing import Any

import orjson

from config.errors import ConfigurationError
from config.parent import adopt_orphans, die_with_parent
from config.registry import TaskSpec, load_tasks
from workers.child import JobLimits, serve_jobs
from workers.making_way import make_way_no_longer

LARGEST_PACKET = 64 * 1024

Loader = Callable[[], Mapping[str, TaskSpec]]


class ForkServer:
    """Forks, kills and reaps children for the process at the other end of ``control``."""

    def __init__(self, control: socket.socket, load: Loader, limits: JobLimits) -> None:
        """``load`` gives a child its tasks; ``limits`` are for each job."""
        self._control = control
        self._load = load
        self._limits = limits
        self._pid = os.getpid()
        self._children: set[int] = set()
        self._bell_reader, self._bell = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def serve(self) -> None:
        """Work until the parent closes its end, then take all children along."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._end)
        signal.set_wakeup_fd(self._bell, warn_on_full_buffer=False)
        adopt_orphans()
        self._tell(ready=True)
        while True:
            ready, _, _ = select.select([self._control.fileno(), self._bell_reader], [], [])
            if self._bell_reader in ready:
                os.read(self._bell_reader, 4096)
                self._reap()
            if self._control.fileno() in ready and not self._obey():
                self._end()

    def _obey(self) -> bool:
        """Carry out one request; False when there is nobody to make any."""
        try:
            packet, descriptors, _, _ = socket.recv_fds(self._control, LARGEST_PACKET, 2)
        except ConnectionError:
            return False
        if not packet:
            return False
        request = orjson.loads(packet)
        if "spawn" in request:
            connection, tickets = descriptors
            os.set_inheritable(tickets, False)
            self._spawn(request["spawn"], socket.socket(fileno=connection), tickets)
            os.close(tickets)
        else:
            self._kill(request["kill"])
        return True

    def _spawn(self, number: int, connection: socket.socket, tickets: int) -> None:
        try:
            pid = os.fork()
        except OSError as error:
            self._tell(spawned=number, failed=str(error))
            return
        if pid == 0:
            self._be_child(connection, tickets)
        connection.close()
        self._children.add(pid)
        self._tell(spawned=number, pid=pid)

    def _be_child(self, connection: socket.socket, tickets: int) -> None:
        status = 1
        try:
            self._control.close()
            os.close(self._bell)
            os.close(self._bell_reader)
            die_with_parent(parent=self._pid)
            serve_jobs(connection, tickets, self._load(), self._limits)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)

    def _kill(self, pid: int) -> None:
        """Kill a child and its process group; descendants that left it are orphans then."""
        if pid not in self._children:
            return
        for kill in (os.killpg, os.kill):  # a child just forked has no group of its own yet
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(pid, signal.SIGKILL)

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):  # there is nobody to wait for
            while gone := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                self._kill(gone.si_pid)  # before it is reaped, while its number is still its own
                self._bury(*os.wait4(gone.si_pid, 0))
        self._kill_orphans()

    def _bury(self, pid: int, status: int, usage: struct_rusage) -> None:
        if pid in self._children:
            self._children.discard(pid)
            self._tell(exited=pid, status=status, peak_kib=usage.ru_maxrss)

    def _kill_orphans(self) -> int:
        """Kill what dead children left behind; the orphans of those come here in their turn.

        How many there were, but for those of another user, who must be left to themselves.
        """
        killed = 0
        own = Path(f"/proc/{self._pid}/task/{self._pid}/children")
        for pid in {*map(int, own.read_text().split())} - self._children:
            with contextlib.suppress(PermissionError):
                os.kill(pid, signal.SIGKILL)  # it cannot have gone: nobody else reaps it
                killed += 1
        return killed

    def _tell(self, **message: Any) -> None:
        try:
            self._control.send(orjson.dumps(message))
        except ConnectionError:
            self._end()

    def _end(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        for pid in self._children:
            self._kill(pid)
        with contextlib.suppress(ChildProcessError):  # they are all gone, their orphans too
            while self._kill_orphans() or self._children:
                pid, _ = os.wait()
                self._children.discard(pid)
        os._exit(0)


def main(
    control_descriptor: str,
    parent: str,
    tasks_dir: str,
    names: str,
    limits: str,
    *lazy: str,
) -> None:
    """Serve children for the tasks ``names`` (comma-separated) of ``tasks_dir``.

    ``limits`` are JobLimits as JSON.

    Threads do not survive a fork, and the locks they held stay locked. Where importing the tasks
    started threads, this process starts over and lets each child import them for itself.
    """
    die_with_parent(signal.SIGTERM, int(parent))
    make_way_no_longer()
    control = socket.socket(fileno=int(control_descriptor))
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    load = functools.cache(lambda: load_tasks(Path(tasks_dir), tuple(names.split(","))))
    if not lazy:
        try:
            load()
        except ConfigurationError as error:
            control.send(orjson.dumps({"failed": str(error)[: LARGEST_PACKET // 8]}))
            return
        if _count_threads() > 1:
            os.execv(sys.executable, [*sys.orig_argv, "lazy"])
    gc.collect()
    gc.freeze()  # what is loaded stays shared with the children: no collector touches it
    ForkServer(control, load, JobLimits(**orjson.loads(limits))).serve()


def _count_threads() -> int:
    return sum(1 for _ in Path("/proc/self/task").iterdir())


if __name__ == "__main__":
    main(*sys.argv[1:])
