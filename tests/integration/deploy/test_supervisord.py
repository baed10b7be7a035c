"""What may happen to a node's logs, or by a signal, is no reason to end."""

import os
import resource
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from supervisor.loggers import LevelsByName, LogRecord

from deploy.node import running_pid
from deploy.processes import PROC
from deploy.supervisord import PatientLog
from deploy.waiting import Wait
from tests.integration.deploy.conftest import Commands
from tests.integration.deploy.test_node import pid_of, started

needs_prlimit = pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="is Linux's")


def record(text: str) -> LogRecord:
    return LogRecord(LevelsByName.INFO, text)


@contextmanager
def full_disk(pid: int) -> Iterator[None]:
    """No file of this process, or of one that it starts, can grow: as where no block is free."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def comes_back(node: Commands, part: str) -> bool:
    """Whether a part that is killed is started again."""
    pid = pid_of(node, part)
    os.kill(pid, signal.SIGKILL)
    return any(pid_of(node, part) not in (0, pid) for _ in Wait(10, f"{part} to come back"))


def is_healthy(node: Commands) -> bool:
    return any(node("health").returncode == 0 for _ in Wait(20, "the node to be healthy"))


def test_who_comes_while_the_api_is_started_again_is_not_turned_away(
    commands: Callable[..., Commands],
) -> None:
    node = commands()
    started(node)
    supervisor, api = running_pid(node.settings), pid_of(node, "api")
    os.kill(api, signal.SIGKILL)
    for _ in Wait(20, "the API to come back"):
        socket.create_connection(("127.0.0.1", node.settings.api_port), 5).close()
        if pid_of(node, "api") not in (0, api):
            break
    assert is_healthy(node)
    assert running_pid(node.settings) == supervisor


@needs_prlimit
def test_logs_that_cannot_be_written_do_not_end_the_node(
    commands: Callable[..., Commands],
) -> None:
    node = commands()
    started(node)
    supervisor = running_pid(node.settings) or 0
    with full_disk(supervisor):
        assert comes_back(node, "worker")
    assert running_pid(node.settings) == supervisor
    assert comes_back(node, "worker")
    assert is_healthy(node)


def test_a_part_comes_back_without_the_folder_of_its_log(
    commands: Callable[..., Commands],
) -> None:
    node = commands()
    started(node)
    shutil.rmtree(node.settings.log_dir)
    assert comes_back(node, "api")
    assert is_healthy(node)
    assert (node.settings.log_dir / "api.log").exists()


@pytest.mark.skipif(not PROC.exists(), reason="signals are read from /proc")
def test_a_hangup_changes_nothing(commands: Callable[..., Commands]) -> None:
    node = commands()
    started(node)
    supervisor, api = running_pid(node.settings) or 0, pid_of(node, "api")
    os.kill(supervisor, signal.SIGHUP)
    os.kill(supervisor, signal.SIGUSR2)  # is noted in the log, by when the other was taken
    log = node.settings.log_dir / "supervisor.log"
    assert any("SIGUSR2" in log.read_text() for _ in Wait(10, "the signals to be taken"))
    assert (running_pid(node.settings), pid_of(node, "api")) == (supervisor, api)
    assert "runs already" in started(node)


def test_a_log_whose_rotation_failed_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "log" / "part.log"
    log = PatientLog(str(path), "a", 10, 1)
    shutil.rmtree(path.parent)
    log.emit(record("longer than ten bytes"))  # the file to be begun has no folder
    log.emit(record("short"))
    assert path.read_text() == "short"
    log.close()
