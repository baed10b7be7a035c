"""A worker whose link is encrypted: whom it trusts, and what it does when certificates change.

The worker and the queue server are real; TLS is a terminator's, as the embedded server has none.
What needs a server with TLS of its own is in test_queue_tls.py.
"""

import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from config.settings import Settings
from deploy.certificate import fingerprint, make_certificate
from tests.conftest import SAMPLE_TASKS
from tests.integration.deploy.conftest import Commands
from tests.integration.deploy.test_queue_server import start_server
from tests.queue_state import new_job
from tests.tls_terminator import TlsTerminator
from tests.waiting import eventually
from tests.worker_process import WorkerProcess
from workers.queue.broker import Broker
from workers.queue.connection import connect
from workers.queue.records import State

PASSWORD = "shown-to-the-right-one-only"


@pytest.fixture
def node(commands: Callable[..., Commands], free_port: Callable[[], int]) -> Commands:
    """A node whose queue server runs, in plain text on loopback; and its certificate."""
    node = commands(task_queue_port=free_port(), task_queue_passwd=PASSWORD, tasks_dir=SAMPLE_TASKS)
    start_server(node)
    make_certificate(node.settings)
    return node


@pytest.fixture
def terminator(node: Commands) -> Iterator[TlsTerminator]:
    """The way to that server for workers."""
    assert node.settings.task_queue_port
    pair = node.settings.ssl_certfile, node.settings.ssl_keyfile
    with TlsTerminator(*pair, node.settings.task_queue_port) as terminator:
        yield terminator


@pytest.fixture
async def broker(node: Commands) -> AsyncIterator[Broker]:
    """The test's own way to that server."""
    client = connect(node.settings)
    yield Broker(client, result_expires=600, lease=3)
    await client.aclose(close_connection_pool=True)


@pytest.fixture
def make_worker(
    terminator: TlsTerminator, tmp_path: Path
) -> Iterator[Callable[..., WorkerProcess]]:
    """Makes workers that reach the server by the terminator; they are not started."""
    made: list[WorkerProcess] = []

    def make(**trust: Any) -> WorkerProcess:
        worker = WorkerProcess(
            tmp_path / f"worker{len(made)}", "",
            NODE_TYPE="distributed_worker", MASTER_HOST="127.0.0.1", TASK_QUEUE_TLS=True,
            TASK_QUEUE_PORT=terminator.port, TASK_QUEUE_PASSWD=PASSWORD,
            **{f"TASK_QUEUE_{name.upper()}": value for name, value in trust.items()},
        )  # fmt: skip
        made.append(worker)
        return worker

    yield make
    for worker in made:
        worker.kill()


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: Path
    key: Path

    @property
    def fingerprint(self) -> str:
        """As the settings take it."""
        certificate = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        return certificate.fingerprint(hashes.SHA256()).hex()


@pytest.fixture
def other(commands: Callable[..., Commands]) -> Settings:
    """A node that is not the master, with a certificate of its own."""
    settings = commands().settings
    make_certificate(settings)
    return settings


def renewed(node: Commands, other: Settings, key: str, folder: Path) -> Pair:
    """The node's next certificate, with the `same` key or a `new` one."""
    if key == "new":
        return Pair(other.ssl_certfile, other.ssl_keyfile)
    present = x509.load_pem_x509_certificate(node.settings.ssl_certfile.read_bytes())
    own_key: Any = load_pem_private_key(node.settings.ssl_keyfile.read_bytes(), None)
    builder = x509.CertificateBuilder(
        present.issuer, present.subject, own_key.public_key(), x509.random_serial_number(),
        present.not_valid_before_utc, present.not_valid_after_utc, list(present.extensions),
    )  # fmt: skip
    file = folder / "renewed.pem"
    file.write_bytes(builder.sign(own_key, hashes.SHA256()).public_bytes(Encoding.PEM))
    return Pair(file, node.settings.ssl_keyfile)


async def succeeds(broker: Broker, job_id: str) -> None:
    """Wait until a job has ended well."""

    async def has_ended() -> bool:
        return (await broker.read(job_id)).state is State.SUCCESS

    await eventually(has_ended, within=20)


async def create(broker: Broker, job_id: str) -> None:
    await broker.create(new_job(job_id, "echo", params=orjson.dumps({"value": 1})))


def trust_in(settings: Settings) -> dict[str, Any]:
    return {"fingerprint": fingerprint(settings), "ca": settings.ssl_certfile}


@pytest.mark.parametrize("by", [["fingerprint"], ["ca"], ["fingerprint", "ca"]], ids=" and ".join)
async def test_the_right_certificate_lets_a_worker_join_and_work(
    node: Commands,
    broker: Broker,
    make_worker: Callable[..., WorkerProcess],
    terminator: TlsTerminator,
    by: list[str],
) -> None:
    trust = trust_in(node.settings)
    await make_worker(**{name: trust[name] for name in by}).ready()
    await create(broker, "job")
    await succeeds(broker, "job")
    assert PASSWORD.encode() in terminator.heard


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (set(), {"fingerprint"}),
        (set(), {"ca"}),
        ({"ca"}, {"fingerprint"}),
        ({"fingerprint"}, {"ca"}),
    ],
    ids=str,
)
async def test_the_wrong_certificate_is_sent_nothing_and_told_in_a_line_a_try(
    node: Commands,
    other: Settings,
    make_worker: Callable[..., WorkerProcess],
    terminator: TlsTerminator,
    right: set[str],
    wrong: set[str],
) -> None:
    good, bad = trust_in(node.settings), trust_in(other)
    worker = make_worker(**{n: good[n] for n in right}, **{n: bad[n] for n in wrong})
    worker.start()
    await eventually(lambda: worker.log.count("queue_server_away") >= 3)

    lines = [line for line in worker.log.splitlines() if "WARNING" in line or "ERROR" in line]
    assert lines
    for line in lines:
        assert "queue_server_away" in line
        assert f"127.0.0.1:{terminator.port}" in line
        assert "was sent nothing" in line
        assert ("TASK_QUEUE_FINGERPRINT" if wrong == {"fingerprint"} else "TASK_QUEUE_CA") in line
    assert PASSWORD not in worker.log
    assert "Traceback" not in worker.log
    assert bytes(terminator.heard) == b""


@pytest.mark.parametrize("key", ["same", "new"])
async def test_a_renewed_certificate_is_another_one_until_the_worker_is_told_of_it(
    node: Commands,
    other: Settings,
    broker: Broker,
    make_worker: Callable[..., WorkerProcess],
    terminator: TlsTerminator,
    tmp_path: Path,
    key: str,
) -> None:
    worker = await make_worker(**trust_in(node.settings)).ready()
    following = renewed(node, other, key, tmp_path)
    terminator.show(following.certificate, following.key)
    terminator.heard.clear()
    await create(broker, "job")
    await eventually(lambda: worker.log.count("it was sent nothing") >= 3)
    assert bytes(terminator.heard) == b""

    worker.kill()
    await make_worker(fingerprint=following.fingerprint).ready()
    await succeeds(broker, "job")


async def test_a_worker_comes_back_by_itself_when_the_right_certificate_does(
    node: Commands,
    other: Settings,
    broker: Broker,
    make_worker: Callable[..., WorkerProcess],
    terminator: TlsTerminator,
) -> None:
    worker = await make_worker(fingerprint=fingerprint(node.settings)).ready()
    terminator.show(other.ssl_certfile, other.ssl_keyfile)
    await create(broker, "job")
    await eventually(lambda: "it was sent nothing" in worker.log)
    terminator.show(node.settings.ssl_certfile, node.settings.ssl_keyfile)
    await succeeds(broker, "job")


@pytest.mark.parametrize("key", ["same", "new"])
async def test_a_worker_that_knows_the_next_certificate_outlives_the_change(
    node: Commands,
    other: Settings,
    broker: Broker,
    make_worker: Callable[..., WorkerProcess],
    terminator: TlsTerminator,
    tmp_path: Path,
    key: str,
) -> None:
    following = renewed(node, other, key, tmp_path)
    both = tmp_path / "both.pem"
    shutil.copy(node.settings.ssl_certfile, both)
    both.write_bytes(both.read_bytes() + following.certificate.read_bytes())
    worker = await make_worker(ca=both).ready()

    terminator.show(following.certificate, following.key)
    await create(broker, "job")
    await succeeds(broker, "job")
    assert "was sent nothing" not in worker.log
