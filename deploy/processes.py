"""Processes of this machine: who descends from whom, and whether they still live."""

import os
import signal
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
ENDED = frozenset("ZX")  # waits for its parent to take note, or is being removed: proc(5)


@dataclass(frozen=True, slots=True)
class Process:
    """One process; when its id is used again, that is another one."""

    pid: int
    started: int  #: clock ticks since the machine's start; 0 where that is not known


@dataclass(frozen=True, slots=True)
class _Row:
    process: Process
    parent: int
    state: str


def family(pid: int) -> set[Process]:
    """The process and everything below it."""
    rows = list(_rows())
    found = [row.process for row in rows if row.process.pid == pid]
    for member in found:  # grows while it is walked
        found += [row.process for row in rows if row.parent == member.pid]
    return set(found)


def living(processes: Iterable[Process]) -> set[Process]:
    """Those that have not ended."""
    return {row.process for row in _rows() if row.state not in ENDED} & set(processes)


def kill(processes: Iterable[Process]) -> None:
    """End those that still live, at once."""
    for process in living(processes):
        with suppress(ProcessLookupError):  # ended just now
            os.kill(process.pid, signal.SIGKILL)


def _rows() -> Iterator[_Row]:
    return _rows_of_proc() if PROC.joinpath("stat").exists() else _rows_of_ps()


def _rows_of_proc() -> Iterator[_Row]:
    for folder in PROC.glob("[0-9]*"):
        try:
            text = (folder / "stat").read_text(errors="replace")
        except OSError:  # ended just now
            continue
        # The second field is the program's name, which may hold blanks and brackets: proc(5).
        fields = text.rpartition(")")[2].split()
        yield _Row(Process(int(folder.name), int(fields[19])), int(fields[1]), fields[0])


def _rows_of_ps() -> Iterator[_Row]:
    command = ["ps", "-A", "-o", "pid=,ppid=,state="]
    for line in subprocess.run(command, capture_output=True, text=True).stdout.splitlines():
        pid, parent, state = line.split()
        yield _Row(Process(int(pid), 0), int(parent), state[0])
