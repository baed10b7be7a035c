"""A worker makes way for its tasks: what wakes it up does not interrupt one that runs.

A task that ends wakes its worker, often on the same core. The kernel would then have the worker go
first, and the next task begin when that has dealt with the former one's result. The share of the
processor stays what it is: SCHED_BATCH of https://man7.org/linux/man-pages/man7/sched.7.html.

Whoever runs the node by another policy than the usual one knows why; then nothing is changed.
"""

import os


def make_way() -> None:
    """Have this thread wait for its turn when it is woken up, and all that it starts."""
    _change("SCHED_OTHER", "SCHED_BATCH")


def make_way_no_longer() -> None:
    """Have it interrupt others again, as is usual."""
    _change("SCHED_BATCH", "SCHED_OTHER")


def _change(before: str, policy: str) -> None:
    if hasattr(os, policy) and os.sched_getscheduler(0) == getattr(os, before):
        os.sched_setscheduler(0, getattr(os, policy), os.sched_param(0))
