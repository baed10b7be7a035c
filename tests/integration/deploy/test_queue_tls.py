"""A cluster whose queue link is encrypted, with a real server; skipped where none speaks TLS."""

import contextlib
import re
import socket
import ssl
from collections.abc import Callable
from typing import Any

import pytest

from config.errors import ConfigurationError
from deploy.certificate import fingerprint, make_certificate
from deploy.gateway import Gateway
from deploy.queue_binary import find_queue_server
from tests.integration.deploy.conftest import Commands
from tests.integration.deploy.test_node import started
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
