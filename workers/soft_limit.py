"""The soft time limit: an exception raised inside a task that has run long enough.

A task may catch it, clean up and still return::

    from workers.soft_limit import SoftTimeLimitExceeded
"""

import contextlib
import signal
from _signal import signal as set_handler  # type: ignore[import-not-found]  # see soft_time_limit
from collections.abc import Iterator
from types import FrameType


class SoftTimeLimitExceeded(Exception):
    """The task has run for SOFT_TIME_LIMIT seconds; at TIME_LIMIT its process is killed."""


@contextlib.contextmanager
def soft_time_limit(seconds: float) -> Iterator[None]:
    """Raise SoftTimeLimitExceeded once in the block if it lasts longer than ``seconds``.

    Works in the main thread, through SIGALRM. Code that does not come back to the interpreter, such
    as a long call into C, gets the exception when it does.
    """
    armed = True

    def ring(_signal: int, _frame: FrameType | None) -> None:
        if armed:  # not the alarm that rang between the end of the block and setitimer below
            raise SoftTimeLimitExceeded(f"the task ran longer than {seconds:g} s")

    # signal.signal would look for the former handler, a function, among the members of an enum,
    # which takes nearly half as long as all else about a short job.
    set_handler(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
