"""Shifts time.time by CLOCK_SHIFT seconds, or to and fro every second if it begins with `~`.

Python imports this by itself when the folder is on PYTHONPATH.
"""

import os
import time

SHIFT = os.environ.get("CLOCK_SHIFT", "")
_true_time = time.time


def _shift() -> float:
    seconds = float(SHIFT.removeprefix("~"))
    return -seconds if SHIFT.startswith("~") and int(time.monotonic()) % 2 else seconds


if SHIFT:
    time.time = lambda: _true_time() + _shift()
    time.time_ns = lambda: int(time.time() * 1e9)
