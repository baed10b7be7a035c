"""A queue server for a peer: the same program, with the same durability, as a node's own."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from config.settings import Settings, load_settings
from deploy.folders import make_folders
from deploy.queue_binary import find_queue_server
from deploy.queue_server import (
    ENVIRONMENT,
    LOG_FOLDER,
    configuration_file,
    queue_server_configuration,
)
from deploy.queue_users import make_admin_password
from tests.bench.environment import PROJECT, TASKS
from tests.bench.node import HOST, free_port
from tests.bench.peers.address import PORT_VARIABLE, SOCKET_VARIABLE
from tests.waiting import wait_until


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is reached."""

    socket: Path
    port: int

    @property
    def variables(self) -> dict[str, object]:
        """The environment that tells a peer."""
        return {SOCKET_VARIABLE: self.socket, PORT_VARIABLE: self.port}


@contextmanager
def running_queue_server() -> Iterator[Address]:
    """A fresh server. It asks for no password and has a port too; all else is as in a node."""
    with tempfile.TemporaryDirectory(prefix="ft-bench-") as folder:
        settings = load_settings(
            _env_file=None, node_type="single_node", files_dir=folder, tasks_dir=TASKS,
            task_queue_url=None, task_queue_port=None, task_queue_passwd="unused",
        )  # fmt: skip
        make_folders(settings)
        assert settings.queue_socket is not None
        address = Address(settings.queue_socket, free_port())
        with _running(settings, address):
            yield address


@contextmanager
def _running(settings: Settings, address: Address) -> Iterator[None]:
    make_admin_password(settings)
    configuration = configuration_file(settings)
    configuration.write_text(
        _open_to_all(queue_server_configuration(settings)) + f"port {address.port}\nbind {HOST}\n"
    )
    log = settings.redis_dir / LOG_FOLDER
    processes = [
        subprocess.Popen(
            [find_queue_server(), configuration],
            stdout=subprocess.DEVNULL,
            env={**os.environ, **ENVIRONMENT},
        ),
        subprocess.Popen(
            [sys.executable, "-m", "deploy.queue_sync", str(os.getpid()), log], cwd=PROJECT
        ),
    ]
    try:
        wait_until(lambda: _answers(address))
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _open_to_all(configuration: str) -> str:
    lines = configuration.splitlines(keepends=True)
    return "".join(line for line in lines if line.split()[0] not in ("user", "port"))


def _answers(address: Address) -> bool:
    with suppress(RedisError), Redis(unix_socket_path=str(address.socket)) as redis:
        return bool(redis.ping())
    return False
