"""The soft time limit: an exception raised inside a task that has run long enough.

A task may catch it, clean up and still return::

    from workers.soft_limit import SoftTimeLimitExceeded
"""

import _thread
import math
import os
import signal
import threading
import time

# The functions of `signal` look for each handler among the members of an enum first, which takes
# nearly half as long as all else about a short task.
from _signal import getsignal as handler_of  # type: ignore[import-not-found]
from _signal import signal as set_handler
from contextlib import AbstractContextManager
from types import FrameType
from typing import Self

TIME_IS_UP = (
    signal.SIGRTMIN
)  # not SIGALRM: tasks set alarms of their own, and a process has but one


class SoftTimeLimitExceeded(Exception):
    """The task has run for SOFT_TIME_LIMIT seconds; at TIME_LIMIT its process is killed."""


class _Watch:
    """Looks at the time from a thread of its own, and tells the main thread when it is up."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._ends_at = math.inf  # by the monotonic clock; never while no task runs
        self._other_seconds = threading.Event()
        self._is_watched = False
        os.register_at_fork(after_in_child=self._begin_anew)

    def after(self, seconds: float) -> Self:
        """It, for a block that may last so long."""
        if seconds != self._seconds:
            self._seconds = seconds
            self._other_seconds.set()
        return self

    def begin(self) -> None:
        """Have the thread run; only the main thread may ask for it."""
        if not self._is_watched:
            self._is_watched = True
            set_handler(TIME_IS_UP, self._ring)
            _thread.start_new_thread(self._look, (_thread.get_ident(),))

    def __enter__(self) -> None:
        self._ends_at = time.monotonic() + self._seconds
        self.begin()
        self._drop_alarms()

    def __exit__(self, *_error: object) -> None:
        self._ends_at = math.inf
        self._drop_alarms()

    def _look(self, main_thread: int) -> None:
        """A task begins whenever it likes, so nobody looks less often than one may last."""
        while True:
            left = self._ends_at - time.monotonic()
            if left <= 0:
                signal.pthread_kill(main_thread, TIME_IS_UP)
                left = math.inf
            self._other_seconds.wait(min(left, self._seconds))
            self._other_seconds.clear()

    def _ring(self, _signal: int, _frame: FrameType | None) -> None:
        if time.monotonic() >= self._ends_at:  # else it is for a former task
            self._ends_at = math.inf
            raise SoftTimeLimitExceeded(f"the task ran longer than {self._seconds:g} s")

    def _drop_alarms(self) -> None:
        """A task may leave an alarm behind, which would ring in the next one."""
        if handler_of(signal.SIGALRM) is not _ignore:
            set_handler(signal.SIGALRM, _ignore)
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _begin_anew(self) -> None:
        """In a fork: the thread is not there."""
        self._is_watched = False
        self._other_seconds = threading.Event()


def _ignore(_signal: int, _frame: FrameType | None) -> None:
    """An alarm of a task that has ended."""


_watch = _Watch()


def begin_to_watch(seconds: float) -> None:
    """Do now what the first task would: the memory for it is none that a task takes."""
    _watch.after(seconds).begin()


def soft_time_limit(seconds: float) -> AbstractContextManager[None]:
    """Raise SoftTimeLimitExceeded once in the block if it lasts longer than ``seconds``.

    Works in the main thread, through a signal. Code that does not come back to the interpreter,
    such as a long call into C, gets the exception when it does.
    """
    return _watch.after(seconds)
