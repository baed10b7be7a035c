"""Counting wrong passwords: a burst, then a pace, and bounded memory."""

import time

import pytest

from app import tries
from app.tries import Pace, Tries


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be changed."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_a_burst_is_free_and_then_each_try_takes_its_time(clock: list[float]) -> None:
    counted = Tries(Pace(burst=3, seconds=6))
    for _ in range(3):
        assert counted.wait_seconds("a") == 0
        counted.count("a")

    assert counted.wait_seconds("a") == 6
    assert counted.wait_seconds("b") == 0
    clock[0] += 5
    assert counted.wait_seconds("a") == 1
    clock[0] += 1
    assert counted.wait_seconds("a") == 0
    counted.count("a")
    assert counted.wait_seconds("a") == 6
    clock[0] += 24
    for _ in range(3):
        assert counted.wait_seconds("a") == 0
        counted.count("a")


def test_who_is_forgiven_starts_anew(clock: list[float]) -> None:
    counted = Tries(Pace(burst=1, seconds=6))
    counted.count("a")
    counted.forgive("a")
    counted.forgive("nobody")

    assert clock
    assert counted.wait_seconds("a") == 0


def test_the_longest_quiet_is_forgotten_first(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tries, "MOST_REMEMBERED", 3)
    counted = Tries(Pace(burst=1, seconds=6))
    for key in "abcad":
        counted.count(key)

    assert clock
    assert [key for key in "abcd" if counted.wait_seconds(key)] == ["a", "c", "d"]
