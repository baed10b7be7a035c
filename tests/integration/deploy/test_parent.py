import os
import subprocess
import sys

import pytest

CHILD = """
import signal, sys
from config.parent import die_with_parent
die_with_parent({arguments})
sys.stdout.write("alive")
sys.stdout.flush()
signal.pause()
"""
# Starts the child as its own, and is gone at once.
PARENT = """
import os, subprocess, sys
subprocess.Popen([sys.executable, "-c", sys.argv[1]])
sys.stdin.read()
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's wish is Linux's")


@pytest.mark.parametrize("arguments", ["", "signal.SIGTERM"])
def test_a_child_ends_with_its_killed_parent(arguments: str) -> None:
    child = CHILD.format(arguments=arguments)
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, child], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    assert parent.stdout.read(5) == b"alive"
    parent.kill()
    # The child holds the other end of the pipe: it is closed when the child is gone.
    assert parent.stdout.read() == b""
    parent.communicate()


def test_a_child_of_another_parent_ends_at_once() -> None:
    stranger = CHILD.format(arguments=f"parent={os.getppid()}")
    child = subprocess.run([sys.executable, "-c", stranger], capture_output=True, check=False)
    assert (child.returncode, child.stdout) == (1, b"")


def test_the_right_parent_is_no_reason_to_end() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CHILD.format(arguments=f"parent={os.getpid()}")],
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.read(5) == b"alive"
        child.kill()
