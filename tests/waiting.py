"""Waiting for what must happen soon: a deadline instead of a sleep."""

import asyncio
import inspect
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

INTERVAL = 0.01


async def eventually(probe: Callable[[], Any], within: float = 10.0) -> Any:
    """Ask ``probe`` (plain or async) until its answer is true; that answer.

    Raises:
        AssertionError: it was not true within ``within`` seconds; names the last answer.
    """
    deadline = time.monotonic() + within
    while True:
        answer = probe()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within:g} s; last answer: {answer!r}")
        await asyncio.sleep(INTERVAL)


def wait_until(probe: Callable[[], Any], within: float = 10.0) -> Any:
    """As :func:`eventually` where no event loop runs."""
    deadline = time.monotonic() + within
    while not (answer := probe()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within:g} s; last answer: {answer!r}")
        time.sleep(INTERVAL)
    return answer


def is_alive(pid: int) -> bool:
    """Whether a process runs: one that has ended but was not reaped yet does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"
