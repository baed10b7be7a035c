"""A cluster of real processes on a queue server of its own."""

import datetime
import ipaddress
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from config.settings import Settings
from tests.queue_server import QueueServer
from tests.waiting import wait_until

PROJECT = Path(__file__).resolve().parents[3]
GATEWAY_TASKS = PROJECT / "tests" / "gateway_tasks"
HOST = "127.0.0.1"
LONGEST_CALL = 20.0  # seconds; an answer that takes longer counts as a hang

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Certificate:
    """A self-signed certificate for HOST, and what a client needs to trust it and nothing else."""

    def __init__(self, folder: Path, key: Key | None = None) -> None:
        self.key_file, self.file = folder / "key.pem", folder / "cert.pem"
        key = key or ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), False
            )
            .sign(key, hashes.SHA256())
        )
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self.key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        self.context = ssl.create_default_context(cafile=self.file)


class Process:
    """One of our processes with its own FASTTASK_FILES_DIR; its log is kept in a file."""

    module: str

    def __init__(
        self,
        folder: Path,
        environment: dict[str, str],
        stdin: Any = None,
        prefix: Sequence[str] = (),
    ) -> None:
        """``prefix`` is a command that runs the rest of its arguments, such as `ip netns exec`."""
        self.folder = folder
        self.environment = environment
        self._prefix = prefix
        self.log_file = folder / "output"
        (folder / "conf").mkdir(parents=True)
        self.start(stdin)

    def start(self, stdin: Any = None) -> None:
        """Start it, again if it has ended."""
        with self.log_file.open("ab") as log:
            self._log_begins = log.tell()
            self.process = subprocess.Popen(
                [*self._prefix, sys.executable, "-m", self.module],
                env=self.environment,
                cwd=self.folder,
                stdin=stdin or subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def log(self) -> str:
        """What it has said since it was started last."""
        return self.log_file.read_bytes()[self._log_begins :].decode(errors="replace")

    def wait_ready(self) -> None:
        """Return when it does its work."""
        wait_until(lambda: self._alive() and self.is_ready(), within=30)

    def is_ready(self) -> bool:
        """Whether it does its work."""
        raise NotImplementedError

    def kill(self) -> None:
        """End it without a chance to say goodbye."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Have it end by itself, as a supervisor does."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()

    def _alive(self) -> bool:
        assert self.process.poll() is None, self.log
        return True


class Worker(Process):
    """``python -m workers``."""

    module = "workers"

    def is_ready(self) -> bool:
        """Whether it takes jobs and has been announced."""
        return "worker_ready" in self.log


class Gateway(Process):
    """``python -m app``."""

    module = "app"

    def __init__(
        self, folder: Path, environment: dict[str, str], context: ssl.SSLContext, stdin: Any = None
    ) -> None:
        self.port = int(environment["API_PORT"])
        self.context = context
        super().__init__(folder, environment, stdin)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"https://{HOST}:{self.port}"

    @property
    def users_file(self) -> Path:
        """Who may log in."""
        return self.folder / "conf" / "user_to_passwd.json"

    def client(self, **options: Any) -> httpx.Client:
        """A client that trusts its certificate and no other."""
        return httpx.Client(**self._options(options))

    def async_client(self, **options: Any) -> httpx.AsyncClient:
        """As :meth:`client`, for many calls at once."""
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        return httpx.AsyncClient(**self._options({"limits": limits, **options}))

    def socket(self) -> ssl.SSLSocket:
        """A connection for what no HTTP client would send."""
        plain = socket.create_connection((HOST, self.port), LONGEST_CALL)
        return self.context.wrap_socket(plain, server_hostname=HOST)

    def is_ready(self) -> bool:
        """Whether it answers and has reached the queue server."""
        try:
            with self.client() as client:
                client.get("/healthz")
        except httpx.TransportError:
            return False
        return "gateway_ready" in self.log

    def _options(self, options: dict[str, Any]) -> dict[str, Any]:
        given = {"base_url": self.url, "verify": self.context, "trust_env": False}
        return {**given, "timeout": LONGEST_CALL, **options}


class Cluster:
    """A queue server, and the gateways and workers that a test puts on it. FILES_DIR is shared."""

    def __init__(self, certificate: Certificate, tasks_dir: Path = GATEWAY_TASKS) -> None:
        self.queue = QueueServer()
        self.folder = Path(tempfile.mkdtemp(prefix="ft-nodes-"))
        self.files = self.folder / "files"
        self.files.mkdir()
        self.tasks_dir = tasks_dir
        self._certificate = certificate
        self._processes: list[Process] = []
        self.queue.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        for process in self._processes:
            process.kill()
        self.queue.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def add_gateway(self, listening: socket.socket | None = None, **settings: Any) -> Gateway:
        """Start a gateway on the socket ``listening``, else on one that only it has.

        It may not be ready yet.
        """
        if listening is None:
            with listening_socket() as listening:
                return self.add_gateway(listening, **settings)
        port = listening.getsockname()[1]
        return self.add_gateway_by_itself(port, listening, **settings)

    def add_gateway_by_itself(self, port: int, stdin: Any = None, **settings: Any) -> Gateway:
        """Start a gateway that opens its own socket, as API_PORT says, if ``stdin`` is none."""
        folder = self._new_folder(self.files / "fasttask")
        environment = self._environment(folder, {"API_PORT": port, **settings})
        gateway = Gateway(folder, environment, self._certificate.context, stdin)
        self._processes.append(gateway)
        return gateway

    def add_worker(self, prefix: Sequence[str] = (), **settings: Any) -> Worker:
        """Start a worker; it may not be ready yet."""
        folder = self._new_folder(self.folder / "worker")
        given = {"WORKER_CONCURRENCY": 2, "HEARTBEAT_SECONDS": 1, **settings}
        worker = Worker(folder, self._environment(folder, given), prefix=prefix)
        self._processes.append(worker)
        return worker

    def wait_ready(self) -> Self:
        """Return when every process does its work."""
        for process in self._processes:
            process.wait_ready()
        return self

    def _new_folder(self, wanted: Path) -> Path:
        return (
            wanted.with_name(f"{wanted.name}{len(self._processes)}") if wanted.exists() else wanted
        )

    def _environment(self, folder: Path, settings: dict[str, Any]) -> dict[str, str]:
        """The environment of whoever runs the tests, less all settings of a node of his."""
        ours = {name.upper() for name in Settings.model_fields}
        inherited = {k: v for k, v in os.environ.items() if k.upper() not in ours}
        given = {
            "PYTHONPATH": PROJECT,
            "TASKS_DIR": self.tasks_dir,
            "FILES_DIR": self.files,
            "FASTTASK_FILES_DIR": folder,
            "SSL_KEYFILE": self._certificate.key_file,
            "SSL_CERTFILE": self._certificate.file,
            "TASK_QUEUE_URL": self.queue.url,
            "UVICORN_WORKERS": 1,
            **settings,
        }
        return {**inherited, **{k: str(v) for k, v in given.items()}}


def listening_socket() -> socket.socket:
    """A socket that listens on a port of its own, as a supervisor hands it to gateways."""
    return socket.create_server((HOST, 0), backlog=2048)
