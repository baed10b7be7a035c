"""A single node for one round of benchmarks: started and stopped as people do it."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.client import Client

TASKS = Path(__file__).parent / "tasks"
PROJECT = Path(__file__).resolve().parent.parent.parent
SETTINGS = {"NODE_TYPE": "single_node", "WORKER_CONCURRENCY": "2", "UVICORN_WORKERS": "2"}


@contextmanager
def running_node() -> Iterator[Client]:
    """A client of a node with default settings, two slots and two API processes."""
    with tempfile.TemporaryDirectory(prefix="ft-bench-") as files:
        port = _free_port()
        own = {**SETTINGS, "FILES_DIR": files, "TASKS_DIR": str(TASKS), "API_PORT": str(port)}
        environment = {**os.environ, **own}
        _deploy("up", environment)
        try:
            yield Client("127.0.0.1", port, Path(files) / "fasttask" / "ssl_cert" / "cert.pem")
        finally:
            _deploy("down", environment)


def _deploy(command: str, environment: dict[str, str]) -> None:
    subprocess.run(
        [sys.executable, "-m", "deploy", command],
        cwd=PROJECT, env=environment, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port
