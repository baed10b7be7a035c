"""The supervisor as a node has it does not wait for what is there already."""

import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from deploy.supervisord import Bell
from tests.waiting import wait_until

CONFIGURATION = """
[supervisord]
logfile=%(folder)s/log
pidfile=%(folder)s/pid

[program:part]
command=sleep 60
"""
POLL_SECONDS = 1.0  # supervisor's own, after which it would look for the first time


@pytest.fixture
def signalled() -> Iterator[list[int]]:
    """The signals that have come, of those that tests may send."""
    come: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: come.append(number))
    wakes = signal.set_wakeup_fd(-1)
    yield come
    signal.set_wakeup_fd(wakes)
    signal.signal(signal.SIGUSR1, before)


def test_a_bell_wakes_who_looks_at_its_socket(signalled: list[int]) -> None:
    sockets: dict[int, Bell] = {}
    with Bell(sockets):
        [(descriptor, bell)] = sockets.items()
        assert (bell.readable(), bell.writable()) == (True, False)

        signal.raise_signal(signal.SIGUSR1)
        assert select.select([descriptor], [], [], 5)[0] == [descriptor]
        bell.handle_read_event()

        assert select.select([descriptor], [], [], 0)[0] == []
        assert signalled == [signal.SIGUSR1]
    assert sockets == {}


def test_parts_are_started_at_once(tmp_path: Path) -> None:
    configuration, log = tmp_path / "configuration", tmp_path / "log"
    configuration.write_text(CONFIGURATION % {"folder": tmp_path})
    command = [sys.executable, "-m", "deploy.supervisord", "-n", "-c", str(configuration)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as supervisor:
        wait_until(lambda: log.exists() and "spawned: 'part'" in log.read_text())
        supervisor.terminate()
        assert supervisor.wait(20) == 0

    assert (at(log, "spawned") - at(log, "supervisord started")).total_seconds() < POLL_SECONDS


def at(log: Path, what: str) -> datetime:
    """When something was logged first."""
    found = re.search(rf"^(\S+ \S+),(\d+) \S+ {what}", log.read_text(), re.MULTILINE)
    assert found, log.read_text()
    return datetime.fromisoformat(f"{found[1]}.{found[2]}")
