import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from deploy.processes import PROC, Process, family, kill, living

# Starts a grandchild and tells its id.
PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"])
sys.stdout.write(f"{child.pid}\\n")
sys.stdout.flush()
child.wait()
"""


@pytest.fixture
def parent() -> "Iterator[subprocess.Popen[str]]":
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        yield process
        kill(family(process.pid))


def grandchild_of(parent: "subprocess.Popen[str]") -> int:
    assert parent.stdout is not None
    return int(parent.stdout.readline())


def test_a_family_is_the_process_and_all_below_it(parent: "subprocess.Popen[str]") -> None:
    members = {parent.pid, grandchild_of(parent)}
    assert {process.pid for process in family(parent.pid)} == members
    assert members < {process.pid for process in family(os.getpid())}


def test_the_family_of_nobody_is_empty() -> None:
    assert family(2**22 + 1) == set()


def test_a_process_that_waits_for_its_parents_notice_does_not_live(
    parent: "subprocess.Popen[str]",
) -> None:
    grandchild_of(parent)
    members = family(parent.pid)
    kill(members)
    os.waitid(os.P_PID, parent.pid, os.WEXITED | os.WNOWAIT)
    assert parent.pid not in {process.pid for process in living(members)}


@pytest.mark.skipif(not PROC.exists(), reason="start times are read from /proc")
def test_an_id_that_is_used_again_is_another_process() -> None:
    (own,) = (process for process in family(os.getpid()) if process.pid == os.getpid())
    earlier = Process(own.pid, own.started - 1)
    assert living({own, earlier}) == {own}
    kill({earlier})  # must not end this process
