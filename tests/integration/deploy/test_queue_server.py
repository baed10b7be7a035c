import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError

from config.settings import Settings
from deploy.folders import make_folders
from deploy.processes import PROC
from deploy.queue_binary import queue_server_of
from deploy.queue_server import (
    LOG_FOLDER,
    configuration_file,
    needed_to_start,
    prepare_queue_server,
)
from deploy.sockets import prepare_sockets
from tests.integration.deploy.conftest import Commands


def connect(settings: Settings, password: str | None) -> Redis:
    if settings.queue_socket:
        return Redis(unix_socket_path=str(settings.queue_socket), password=password)
    assert settings.task_queue_port
    return Redis(host="127.0.0.1", port=settings.task_queue_port, password=password)


def start_process(
    node: Commands, supervisor: int, server: Path | None = None
) -> "subprocess.Popen[str]":
    program = server or queue_server_of(node.settings)
    assert program is not None
    needed = needed_to_start(node.settings, program)
    return node.start("deploy.queue_process", str(supervisor), *map(str, needed))


def start_server(node: Commands) -> "subprocess.Popen[str]":
    """The node's queue server; it takes connections."""
    make_folders(node.settings)
    prepare_sockets(node.settings)
    prepare_queue_server(node.settings)
    return ready(start_process(node, os.getpid()))


def ready(server: "subprocess.Popen[str]") -> "subprocess.Popen[str]":
    """It, when it takes connections."""
    assert server.stdout is not None
    said = []
    for line in server.stdout:
        said.append(line)
        if "ready to accept connections" in line.lower():
            return server
    raise AssertionError("".join(said))


@pytest.fixture(params=["socket", "port", "deep", "odd"])
def node(
    request: pytest.FixtureRequest,
    commands: Callable[..., Commands],
    free_port: Callable[[], int],
    tmp_path: Path,
) -> Commands:
    overrides: dict[str, dict[str, object]] = {
        "socket": {},
        "port": {"task_queue_port": free_port(), "task_queue_passwd": "p'a\"s\\s#w%d"},
        "deep": {"files_dir": tmp_path / ("d" * 150)},
        "odd": {"files_dir": tmp_path / "50% \"of\" 'a' Zoë"},
    }
    return commands(**overrides[request.param])


def test_it_serves_only_who_knows_the_password(node: Commands) -> None:
    start_server(node)
    with connect(node.settings, node.settings.queue_password()) as client:
        assert client.set("ft:key", "value")
    for password in (None, "wrong"):
        with connect(node.settings, password) as stranger, pytest.raises(AuthenticationError):
            stranger.get("ft:key")


def test_its_data_lies_in_the_nodes_folder_for_its_user_only(node: Commands) -> None:
    start_server(node)
    files = [path for path in node.settings.redis_dir.rglob("*") if path.is_file()]
    assert len(files) > 1
    assert {path.stat().st_mode & 0o077 for path in files} == {0}


@pytest.mark.skipif(not PROC.exists(), reason="command lines are read from /proc")
def test_the_password_is_on_no_command_line(node: Commands) -> None:
    server = start_server(node)
    line = (PROC / str(server.pid) / "cmdline").read_bytes()
    password = node.settings.queue_password()
    assert password is not None
    assert b"server" in line
    assert password.encode() not in line


def test_what_was_acknowledged_survives_its_death(node: Commands) -> None:
    for starts in (1, 2, 3):
        server = start_server(node)  # over the socket that a killed one left
        with connect(node.settings, node.settings.queue_password()) as client:
            assert client.hincrby("ft:starts", "count") == starts
        server.kill()
        server.wait()


def test_its_log_can_be_read_by_servers_of_other_kinds(commands: Callable[..., Commands]) -> None:
    node = commands()
    start_server(node)
    with connect(node.settings, node.settings.queue_password()) as client:
        client.set("ft:key", "value")
    [base] = (node.settings.redis_dir / LOG_FOLDER).glob("*.base.*")
    assert base.suffix == ".aof", "a snapshot would be .rdb"


def test_it_stops_gracefully(node: Commands) -> None:
    server = start_server(node)
    server.send_signal(signal.SIGTERM)
    output, _ = server.communicate(timeout=10)
    assert server.returncode == 0, output


def test_it_waits_for_a_former_one_that_hangs(commands: Callable[..., Commands]) -> None:
    node = commands()
    former = start_server(node)
    former.send_signal(signal.SIGSTOP)
    server = start_process(node, os.getpid())
    assert server.stdout is not None
    assert "waiting for the former queue server" in server.stdout.readline()
    former.kill()
    ready(server)
    with connect(node.settings, node.settings.queue_password()) as client:
        assert client.set("ft:key", "value")


def test_it_does_not_start_for_a_supervisor_that_is_gone(
    commands: Callable[..., Commands],
) -> None:
    node = commands()
    process = start_process(node, supervisor=os.getppid())
    output, _ = process.communicate(timeout=10)
    assert (process.returncode, output) == (1, "")
    assert not configuration_file(node.settings).exists()


@pytest.mark.parametrize(
    "removed", ["server", "configuration", "folder of its data", "of its socket"]
)
def test_what_was_removed_meanwhile_is_made_again(
    commands: Callable[..., Commands], tmp_path: Path, removed: str
) -> None:
    node = commands(files_dir=tmp_path / ("d" * 150))
    start_server(node).kill()
    assert node.settings.queue_socket is not None
    match removed:
        case "configuration":
            configuration_file(node.settings).unlink()
        case "folder of its data":
            shutil.rmtree(node.settings.redis_dir)
        case "of its socket":
            shutil.rmtree(node.settings.queue_socket.parent)
    ready(start_process(node, os.getpid(), tmp_path / "no" if removed == "server" else None))
    with connect(node.settings, node.settings.queue_password()) as client:
        assert client.set("ft:key", "value")


def test_what_is_wrong_is_one_line(commands: Callable[..., Commands]) -> None:
    node = commands()
    process = node.start("deploy.queue_process", str(os.getpid()), "/no", "/no", API_PORT="x")
    output, _ = process.communicate(timeout=10)
    assert process.returncode == 1
    assert output.startswith("API_PORT=x: ")
    assert len(output.splitlines()) == 1
