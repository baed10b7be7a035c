"""Waiting with a word to the people who wait."""

import time
from collections.abc import Iterator

from deploy.terminal import say

LOOK_AGAIN_SECONDS = 0.1
FIRST_WORD_SECONDS = 2.0
WORD_EVERY_SECONDS = 5.0


class Wait:
    """A limited wait: iterate over it, and leave when it is over; says what it waits for."""

    def __init__(self, seconds: float, reason: str) -> None:
        self.reason = reason  #: what is waited for, in words; may change on the way
        self._started = time.monotonic()
        self._seconds = seconds
        self._next_word = FIRST_WORD_SECONDS

    def __iter__(self) -> Iterator[None]:
        """One step per look, the first at once, until the time is over."""
        while True:
            yield
            waited = time.monotonic() - self._started
            if waited >= self._seconds:
                return
            if waited >= self._next_word:
                say(f"  {waited:.0f} s  {self.reason}")
                self._next_word += WORD_EVERY_SECONDS
            time.sleep(LOOK_AGAIN_SECONDS)
