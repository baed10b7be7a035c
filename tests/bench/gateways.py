"""The gateways that are compared: how each is started and stopped."""

import asyncio
import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from config.settings import Settings, load_settings
from deploy.certificate import make_certificate
from deploy.folders import make_folders
from tests.bench.client import Client
from tests.bench.environment import OURS, PEERS, TASKS
from tests.bench.gateway_load import BareGateway, Gateway
from tests.bench.node import HOST, free_port, running_node
from tests.bench.peer_backlog import PeerBacklog
from tests.bench.peer_process import running
from tests.bench.queue_server import Address, running_queue_server

PROCESSES = 2
READY_SECONDS = 30.0


@asynccontextmanager
async def own_gateway() -> AsyncIterator[Gateway]:
    """FastTask's."""
    with running_node() as node:
        yield Gateway(node.client, holds=True)


@dataclass(frozen=True, slots=True)
class CeleryGateway:
    """FastAPI and Celery: two modules of tests.bench.peers."""

    name: str
    gateway: str
    jobs: str  #: the tasks, and how Celery is set up

    @asynccontextmanager
    async def running(self, celery: PeerBacklog) -> AsyncIterator[Gateway]:
        """It, with a worker as for Celery's backlog."""
        program, *arguments = (self._of_this(argument) for argument in celery.peer.worker)
        with running_queue_server() as server:
            log = server.socket.with_name("worker.log")
            with running(PEERS / program, arguments, server.variables, log):
                async with _served(self.gateway, PEERS, server) as client:
                    yield Gateway(client, holds=False)

    def _of_this(self, argument: str) -> str:
        return self.jobs if argument == LEAN_CELERY.jobs else argument


FULL_CELERY = CeleryGateway(
    "FastAPI + Celery", "tests.bench.peers.gateway:app", "tests.bench.peers.gateway_jobs"
)
LEAN_CELERY = CeleryGateway(
    "FastAPI + Celery, lean", "tests.bench.peers.lean_gateway:app", "tests.bench.peers.celery"
)


@asynccontextmanager
async def bare_gateway() -> AsyncIterator[BareGateway]:
    """A bare FastAPI application; see bare.py."""
    async with _served("tests.bench.bare:app", OURS, None) as client:
        yield BareGateway(client)


@asynccontextmanager
async def _served(
    application: str, programs: Path, server: Address | None
) -> AsyncIterator[Client]:
    """A client of an application that two uvicorn processes serve over TLS."""
    with tempfile.TemporaryDirectory(prefix="ft-bench-") as folder:
        settings = _with_certificate(Path(folder))
        arguments = [
            application, "--workers", PROCESSES, "--host", HOST, "--port", settings.api_port,
            "--ssl-keyfile", settings.ssl_keyfile, "--ssl-certfile", settings.ssl_certfile,
            "--log-level", "warning", "--no-access-log",
        ]  # fmt: skip
        variables = server.variables if server else {}
        with running(programs / "uvicorn", arguments, variables, Path(folder) / "log"):
            client = Client(HOST, settings.api_port, settings.ssl_certfile)
            await _ready(client)
            yield client


def _with_certificate(folder: Path) -> Settings:
    """Settings that name a free port and a certificate made as a node's is."""
    settings = load_settings(
        _env_file=None, files_dir=folder, tasks_dir=TASKS, api_port=free_port()
    )
    make_folders(settings)
    make_certificate(settings)
    return settings


async def _ready(client: Client) -> None:
    async with asyncio.timeout(READY_SECONDS):
        while True:
            with suppress(OSError, ssl.SSLError), client.connected(1) as [connection]:
                connection.ask(("GET", "/openapi.json", b""))
                return
            await asyncio.sleep(0.1)
