import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.errors import ConfigurationError
from deploy.pid_file import hold, holder, remove

HOLDER = """
import pathlib, sys
from deploy.pid_file import hold
hold(pathlib.Path(sys.argv[1]))
sys.stdout.write("held")
sys.stdout.flush()
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "node.pid"


@pytest.fixture
def other(path: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """Another process that holds the file."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        assert process.stdout.read(4) == b"held"
        yield process
        process.kill()


def test_nobody_holds_a_file_that_is_not_there(path: Path) -> None:
    assert holder(path) is None
    assert holder(path / "deeper") is None


def test_the_holder_is_known(path: Path, other: "subprocess.Popen[bytes]") -> None:
    assert holder(path) == other.pid


def test_a_held_file_is_refused_and_kept(path: Path, other: "subprocess.Popen[bytes]") -> None:
    for act in (hold, remove):
        with pytest.raises(ConfigurationError, match="runs already"):
            act(path)
    assert holder(path) == other.pid


def test_a_killed_holder_holds_no_more(path: Path, other: "subprocess.Popen[bytes]") -> None:
    other.kill()
    other.wait()
    assert path.read_text() == f"{other.pid}\n"
    assert holder(path) is None
    os.close(hold(path))
    assert path.read_text() == f"{os.getpid()}\n"


def test_a_file_is_held_until_it_is_removed(path: Path) -> None:
    held: list[int | None] = []
    remove(path, first=lambda: held.append(holder(path)))
    assert (held, path.exists()) == ([os.getpid()], False)


def test_a_file_that_nobody_holds_can_be_removed(path: Path) -> None:
    os.close(hold(path))
    remove(path)
    assert not path.exists()
