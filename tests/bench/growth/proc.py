"""Memory and processor time of processes, from /proc."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def pss_mib(pids: Iterable[int]) -> float:
    """Their memory in MiB, what they share with others counted by its share: PSS of proc(5)."""
    return sum(_pss_kib(pid) for pid in pids) / 1024


def cpu_share(pids: Iterable[int], seconds: float) -> dict[int, float]:
    """The share of one processor, in percent, that each uses during the next ``seconds``."""
    before = {pid: _cpu_seconds(pid) for pid in pids}
    began = time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - began
    return {pid: 100 * (_cpu_seconds(pid) - used) / passed for pid, used in before.items()}


def available_mib() -> float:
    """How much memory new processes can have."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    [line] = [line for line in lines if line.startswith("MemAvailable:")]
    return int(line.split()[1]) / 1024


def _pss_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    [line] = [line for line in lines if line.startswith("Pss:")]
    return int(line.split()[1])


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
