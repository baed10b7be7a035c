"""How the gateway encrypts: modern TLS only, and a renewed certificate without a restart."""

import shutil
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.integration.app.cluster import HOST, Certificate, Cluster, Gateway
from tests.waiting import wait_until


@pytest.fixture
def pair(tmp_path: Path) -> Certificate:
    """A certificate that the test may replace."""
    (tmp_path / "pair").mkdir()
    return Certificate(tmp_path / "pair")


@pytest.fixture
def renewing(own_cluster: Cluster, pair: Certificate) -> Gateway:
    """A gateway that shows that certificate."""
    gateway = own_cluster.add_gateway(SSL_CERTFILE=pair.file, SSL_KEYFILE=pair.key_file)
    gateway.context = pair.context
    gateway.wait_ready()
    return gateway


def as_ever(_context: ssl.SSLContext) -> None:
    pass


def connect(
    port: int, configure: Callable[[ssl.SSLContext], None] = as_ever, name: str | None = None
) -> bytes:
    """The certificate that the gateway shows to a new connection, which asks for ``name``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    configure(context)
    with (
        socket.create_connection((HOST, port), 10) as plain,
        context.wrap_socket(plain, server_hostname=name) as connection,
    ):
        return connection.getpeercert(binary_form=True) or b""


def test_a_renewed_certificate_is_shown_to_new_connections_and_old_ones_go_on(
    renewing: Gateway, pair: Certificate
) -> None:
    former = connect(renewing.port)
    with renewing.client() as client:
        assert client.get("/healthz").status_code == 200
        Certificate(pair.file.parent)  # written over the former one, key and all
        wait_until(lambda: connect(renewing.port) != former)
        assert client.get("/healthz").status_code == 200


def test_one_with_another_type_of_key_is_shown_to_all_that_could_take_the_former(
    renewing: Gateway, pair: Certificate
) -> None:
    def shown() -> list[bytes]:
        return [
            connect(renewing.port, configure, name)
            for configure in (as_ever, only_tls_1_2)
            for name in (None, "a.name")
        ]

    former = connect(renewing.port)
    assert shown() == [former] * 4
    Certificate(pair.file.parent, rsa.generate_private_key(65537, 2048))
    wait_until(lambda: "certificate_loaded" in renewing.log)
    renewed = ssl.PEM_cert_to_DER_cert(pair.file.read_text())
    assert shown() == [renewed] * 4


def test_a_new_pair_that_does_not_fit_together_is_not_used(
    renewing: Gateway, pair: Certificate, tmp_path: Path
) -> None:
    former = connect(renewing.port)
    (tmp_path / "other").mkdir()
    other = Certificate(tmp_path / "other")

    shutil.copy(other.key_file, pair.key_file)
    wait_until(lambda: "certificate_kept" in renewing.log)
    assert connect(renewing.port) == former
    assert "Traceback" not in renewing.log

    shutil.copy(other.file, pair.file)  # now it does
    wait_until(lambda: connect(renewing.port) != former)


def test_a_pair_that_cannot_be_used_is_told_in_one_line(
    own_cluster: Cluster, tmp_path: Path
) -> None:
    key = tmp_path / "key.pem"
    key.write_text("no key")
    gateway = own_cluster.add_gateway(UVICORN_WORKERS=2, SSL_KEYFILE=key)
    assert gateway.process.wait(20) == 1
    (line,) = gateway.log.splitlines()
    assert "cannot_start" in line
    assert f"SSL_KEYFILE={key}" in line


def only_tls_1_1(context: ssl.SSLContext) -> None:
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1


def only_cbc(context: ssl.SSLContext) -> None:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AES:!AESGCM:!AESCCM")


def only_tls_1_2(context: ssl.SSLContext) -> None:
    context.maximum_version = ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("configure", [only_tls_1_1, only_cbc])
def test_what_is_out_of_date_is_refused(
    gateway: Gateway, configure: Callable[[ssl.SSLContext], None]
) -> None:
    with pytest.raises(ssl.SSLError):
        connect(gateway.port, configure)


def test_tls_1_2_will_do(gateway: Gateway) -> None:
    assert connect(gateway.port, only_tls_1_2)


def test_a_handshake_for_what_is_no_name_is_logged_as_all_else(own_cluster: Cluster) -> None:
    gateway = own_cluster.add_gateway()
    gateway.wait_ready()
    to_client, from_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    hello = context.wrap_bio(to_client, from_client, server_hostname="a.name")
    with pytest.raises(ssl.SSLWantReadError):
        hello.do_handshake()

    with socket.create_connection((HOST, gateway.port), 10) as connection:
        connection.sendall(from_client.read().replace(b"a.name", b"\xff" * 6))
        connection.recv(1024)  # an alert

    wait_until(lambda: "UnicodeDecodeError" in gateway.log)
    assert "\nTraceback" not in gateway.log
    assert connect(gateway.port, name="a.name")
