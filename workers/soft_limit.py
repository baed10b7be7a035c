"""The soft time limit: an exception raised inside a task that has run long enough.

A task may catch it, clean up and still return::

    from workers.soft_limit import SoftTimeLimitExceeded
"""

import math
import signal
import time

# The functions of `signal` look for each handler among the members of an enum first, which takes
# nearly half as long as all else about a short task.
from _signal import getsignal as handler_of  # type: ignore[import-not-found]
from _signal import signal as set_handler
from contextlib import AbstractContextManager
from types import FrameType
from typing import Self

EARLY_SECONDS = 0.001  # the kernel counts whole microseconds


class SoftTimeLimitExceeded(Exception):
    """The task has run for SOFT_TIME_LIMIT seconds; at TIME_LIMIT its process is killed."""


class _Alarm:
    """The alarm of this process, which has but one."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._rings_at = math.inf  # by the monotonic clock; never while no task runs
        self._handler = self._ring

    def after(self, seconds: float) -> Self:
        """It, to ring when a block has lasted so long."""
        self._seconds = seconds
        return self

    def __enter__(self) -> None:
        self._rings_at = time.monotonic() + self._seconds
        if not self._is_heard():
            set_handler(signal.SIGALRM, self._handler)
        signal.setitimer(signal.ITIMER_REAL, self._seconds)

    def __exit__(self, *_error: object) -> None:
        # It is not switched off, which would take a system call for each task: nobody minds it.
        self._rings_at = math.inf
        if not self._is_heard():  # the task had the signal for itself, and may have an alarm out
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _is_heard(self) -> bool:
        return handler_of(signal.SIGALRM) is self._handler

    def _ring(self, _signal: int, _frame: FrameType | None) -> None:
        if time.monotonic() > self._rings_at - EARLY_SECONDS:  # else it is for a former task
            self._rings_at = math.inf
            raise SoftTimeLimitExceeded(f"the task ran longer than {self._seconds:g} s")


_alarm = _Alarm()


def soft_time_limit(seconds: float) -> AbstractContextManager[None]:
    """Raise SoftTimeLimitExceeded once in the block if it lasts longer than ``seconds``.

    Works in the main thread, through SIGALRM. Code that does not come back to the interpreter, such
    as a long call into C, gets the exception when it does.
    """
    return _alarm.after(seconds)
