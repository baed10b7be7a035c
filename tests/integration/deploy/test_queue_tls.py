"""A cluster whose queue link is encrypted, with a real server; skipped where none speaks TLS."""

import contextlib
import re
import shutil
import signal
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from config.errors import ConfigurationError
from deploy.certificate import fingerprint, make_certificate
from deploy.gateway import Gateway
from deploy.queue_binary import find_queue_server
from deploy.queue_certificate import ANSWER_SECONDS
from tests.integration.deploy.conftest import Commands
from tests.integration.deploy.test_node import pid_of, started
from tests.integration.deploy.test_queue_server import start_server
from tests.waiting import wait_until

PASSWORD = "passw0rd-over-tls"


def has_tls() -> bool:
    try:
        return bool(find_queue_server(tls=True))
    except ConfigurationError:
        return False


needs_tls = pytest.mark.skipif(
    not has_tls(), reason="no queue server with TLS here; install the package redis-server"
)


@pytest.fixture
def master(commands: Callable[..., Commands], free_port: Callable[[], int]) -> Commands:
    """A master that has its certificate; nothing of it runs."""
    node = commands(
        node_type="distributed_master", api_host="127.0.0.1", task_queue_port=free_port(),
        task_queue_passwd=PASSWORD, task_queue_tls=True,
    )  # fmt: skip
    make_certificate(node.settings)
    return node


@pytest.fixture
def make_worker(commands: Callable[..., Commands], master: Commands) -> Callable[..., Commands]:
    """Makes workers of that master."""

    def make(**trust: Any) -> Commands:
        return commands(
            node_type="distributed_worker", master_host="127.0.0.1", task_queue_tls=True,
            task_queue_port=master.settings.task_queue_port, task_queue_passwd=PASSWORD, **trust,
        )  # fmt: skip

    return make


@needs_tls
def test_a_worker_joins_with_what_the_master_prints(
    master: Commands, make_worker: Callable[..., Commands]
) -> None:
    said = started(master)
    printed = re.search(r"TASK_QUEUE_TLS=True TASK_QUEUE_FINGERPRINT=(\S+)", said)
    assert printed, said
    worker = make_worker(task_queue_fingerprint=printed[1])
    assert "the queue server sees this worker" in started(worker)
    assert worker("health").returncode == 0
    done = Gateway(master.settings).post("/run/get_circle_area", {"radius": 1})
    assert done.json()["state"] == "SUCCESS", done


@needs_tls
def test_a_worker_that_knows_another_certificate_says_so_once_a_try(
    master: Commands, make_worker: Callable[..., Commands]
) -> None:
    start_server(master)
    process = make_worker(task_queue_fingerprint="0" * 64).start("workers")
    assert process.stdout is not None
    for line in [process.stdout.readline() for _ in range(3)]:
        assert "queue_server_away" in line
        assert fingerprint(master.settings).replace(":", "").lower() in line
        assert "was sent nothing" in line
        assert PASSWORD not in line


@needs_tls
def test_a_worker_joins_by_the_masters_certificate_file(
    master: Commands, make_worker: Callable[..., Commands]
) -> None:
    start_server(master)
    log = make_worker(task_queue_ca=master.settings.ssl_certfile).start("workers").stdout
    assert log is not None
    assert wait_until(lambda: "queue_server_reached" in log.readline())


def shown(node: Commands) -> bytes:
    """The certificate that the queue server shows to a new connection."""
    address = "127.0.0.1", node.settings.task_queue_port or 0
    return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(address))


def logged_in(node: Commands) -> Redis:
    """A client of the queue server that trusts it whatever it shows."""
    return Redis(
        port=node.settings.task_queue_port or 0, password=PASSWORD,
        ssl=True, ssl_cert_reqs="none",
    )  # fmt: skip


@needs_tls
def test_the_queue_server_takes_a_renewed_certificate_without_a_restart(
    master: Commands, commands: Callable[..., Commands]
) -> None:
    other = commands().settings
    make_certificate(other)
    started(master)
    server, former = pid_of(master, "queue"), shown(master)
    with logged_in(master) as client:
        connected = client.client_id()
        shutil.copy(other.ssl_keyfile, master.settings.ssl_keyfile)
        log = master.settings.log_dir / "queue_certificate.log"
        wait_until(lambda: "queue_certificate_kept" in log.read_text())  # half of a pair
        assert shown(master) == former
        shutil.copy(other.ssl_certfile, master.settings.ssl_certfile)
        wait_until(lambda: shown(master) != former)
        assert client.client_id() == connected
    assert pid_of(master, "queue") == server


@pytest.fixture
def only_the_wheels_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other queue server is found."""
    monkeypatch.setenv("PATH", "/nowhere")


@pytest.mark.usefixtures("only_the_wheels_server")
def test_the_server_is_told_once_a_change_even_if_it_comes_later(
    commands: Callable[..., Commands],
) -> None:
    """The embedded server takes it without a look at the files: it is the way there that shows."""
    node = commands()
    make_certificate(node.settings)
    teller = node.start("deploy.queue_certificate")
    start_server(node)
    assert teller.stdout is not None
    for _ in range(2):
        assert "INFO    queue queue_certificate_loaded path=" in teller.stdout.readline()
        node.settings.ssl_certfile.touch()


@pytest.mark.usefixtures("only_the_wheels_server")
def test_a_server_that_is_silent_for_long_is_told_when_it_answers_again(
    commands: Callable[..., Commands],
) -> None:
    node = commands()
    make_certificate(node.settings)
    server = start_server(node)
    server.send_signal(signal.SIGSTOP)
    teller = node.start("deploy.queue_certificate")
    assert teller.stdout is not None
    time.sleep(ANSWER_SECONDS + 1)
    server.send_signal(signal.SIGCONT)
    assert "INFO    queue queue_certificate_loaded path=" in teller.stdout.readline()


@needs_tls
def test_the_port_speaks_modern_tls_only(master: Commands) -> None:
    start_server(master)
    address = "127.0.0.1", master.settings.task_queue_port or 0
    with socket.create_connection(address) as plain, contextlib.suppress(ConnectionError):
        plain.sendall(b"PING\r\n")
        assert b"PONG" not in plain.recv(100)
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(address) as connection, pytest.raises(OSError, match=r"(?i)tls"):
        old.wrap_socket(connection)


def test_without_such_a_server_the_start_names_the_package(
    commands: Callable[..., Commands],
    free_port: Callable[[], int],
) -> None:
    node = commands(task_queue_tls=True, task_queue_port=free_port(), task_queue_passwd=PASSWORD)
    up = node("up", PATH="/nowhere")
    assert up.returncode == 1
    assert "TASK_QUEUE_TLS=True: " in up.stdout
    assert "Debian package valkey-server or redis-server" in up.stdout
