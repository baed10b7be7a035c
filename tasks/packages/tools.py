"""Helpers of the example tasks."""

import random
import time


def xx(x):
    """The square of ``x``."""
    return x * x


def sleep_random():
    """Pretend to work: at most one second."""
    time.sleep(random.random())
