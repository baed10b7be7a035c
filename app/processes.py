"""API processes that share what they have loaded: one loads it, and the others are its forks.

Memory that is not written to stays shared, which is more than half of what a process needs; and the
modules are imported once. The process that loaded it serves nobody: it looks after the others.
"""

import contextlib
import gc
import logging
import os
import signal
import time
from collections.abc import Callable
from types import FrameType

from config.logs import event
from config.parent import die_with_parent

log = logging.getLogger("fasttask.app")

PAUSE_SECONDS = 0.5  # before a process that ended is replaced: it may end at once again


class ApiProcesses:
    """So many processes that serve; each is replaced when it ends, and all end together."""

    def __init__(self, number: int, serve: Callable[[], None]) -> None:
        """``serve`` returns after SIGTERM. No thread and no event loop may be running yet."""
        self._number = number
        self._serve = serve
        self._running: set[int] = set()
        self._stopping = False
        self._pid = os.getpid()

    def run(self) -> int:
        """Look after the processes until SIGTERM or SIGINT, and until they all have ended.

        The exit status: 0, or that of one that could not serve, for then none can.
        """
        # Else the collector would write to all that is shared. Nor does it collect before: what
        # that makes free lies among what stays, and the forks would fill it.
        gc.freeze()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        for _ in range(self._number):
            self._start()
        failed = 0
        while self._running:
            pid, status = os.wait()
            self._running.discard(pid)
            ended = os.waitstatus_to_exitcode(status)
            if ended > 0 and not self._stopping:
                failed = ended
                self._stop()
            elif not self._stopping:
                self._replace(pid, ended)
        return failed

    def _replace(self, pid: int, ended: int) -> None:
        event(log, logging.ERROR, "api_process_ended", pid=pid, status=ended)
        time.sleep(PAUSE_SECONDS)
        if not self._stopping:
            self._start()

    def _start(self) -> None:
        pid = os.fork()
        if pid == 0:
            self._be_one()
        self._running.add(pid)
        if self._stopping:  # the signal came in between
            os.kill(pid, signal.SIGTERM)

    def _be_one(self) -> None:
        status = 1
        try:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            die_with_parent(parent=self._pid)
            self._serve()
            status = 0
        except Exception:
            log.exception("api_process_failed")
        finally:
            logging.shutdown()
            os._exit(status)

    def _stop(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        if os.getpid() != self._pid:  # a fork that has not got its own handlers yet
            os._exit(1)
        self._stopping = True
        for pid in self._running:
            with contextlib.suppress(ProcessLookupError):  # it has ended in this very moment
                os.kill(pid, signal.SIGTERM)
