"""A single node of FastTask for one turn: started and stopped as people do it."""

import contextlib
import socket
import subprocess
import sys
import tempfile
import xmlrpc.client
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from supervisor.xmlrpc import SupervisorTransport

from config.settings import Settings, load_settings
from deploy.sockets import supervisor_socket
from tests.bench.client import Client
from tests.bench.environment import TASKS, environment
from workers.queue.broker import Broker
from workers.queue.connection import connect

HOST = "127.0.0.1"
CONCURRENCY = 2  #: slots, and processes of every peer
GIVEN = {"NODE_TYPE": "single_node", "WORKER_CONCURRENCY": CONCURRENCY, "UVICORN_WORKERS": 2}


@dataclass(frozen=True, slots=True)
class Node:
    """A running node."""

    settings: Settings

    @property
    def client(self) -> Client:
        """A client of its API."""
        return Client(HOST, self.settings.api_port, self.settings.ssl_certfile)

    def stop_worker(self) -> None:
        """Stop the worker, and with it its slots; queue server and API go on."""
        with self._supervisor() as supervisor:
            supervisor.stopProcess("worker")

    def start_worker(self) -> None:
        """Start the worker again, without waiting until it is ready."""
        with self._supervisor() as supervisor:
            supervisor.startProcess("worker", False)

    @contextlib.asynccontextmanager
    async def broker(self) -> AsyncIterator[Broker]:
        """The door to its queue server."""
        redis = connect(self.settings)
        try:
            yield Broker(
                redis,
                result_expires=self.settings.result_expires,
                lease=self.settings.lease_seconds,
            )
        finally:
            await redis.aclose(close_connection_pool=True)

    @contextlib.asynccontextmanager
    async def ruled(self) -> AsyncIterator[Redis]:
        """Its queue server, as the user who may ask for its figures."""
        settings = self.settings
        password = settings.queue_admin_password_file.read_text().strip()
        redis = Redis(
            unix_socket_path=str(settings.queue_socket), username="admin", password=password
        )
        try:
            yield redis
        finally:
            await redis.aclose()

    @contextmanager
    def _supervisor(self) -> Iterator[Any]:
        transport = SupervisorTransport(None, None, f"unix://{supervisor_socket(self.settings)}")
        with xmlrpc.client.ServerProxy(f"http://{HOST}", transport) as proxy:
            yield proxy.supervisor


@contextmanager
def running_node(tasks: Path = TASKS, **given: object) -> Iterator[Node]:
    """A node with default settings but two slots, two API processes, and what is ``given``."""
    with tempfile.TemporaryDirectory(prefix="ft-bench-") as files:
        own = {
            **GIVEN, "FILES_DIR": files, "TASKS_DIR": tasks, "API_PORT": free_port(), **given,
        }  # fmt: skip
        deploy("up", own)
        try:
            yield Node(settings_of(own))
        finally:
            deploy("down", own)


def settings_of(given: dict[str, Any]) -> Settings:
    """The settings of a node that was ``given`` these in its environment."""
    return load_settings(_env_file=None, **{name.lower(): value for name, value in given.items()})


def deploy(command: str, given: dict[str, Any]) -> None:
    """Do what ``make`` does with a node, in its own folder so that no `.env` is read.

    Raises:
        RuntimeError: the command failed; what it said.
    """
    done = subprocess.run(
        [sys.executable, "-m", "deploy", command],
        cwd=given["FILES_DIR"], env=environment(given), capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"deploy {command}: {done.stdout}{done.stderr}")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server((HOST, 0)) as server:
        port: int = server.getsockname()[1]
    return port
