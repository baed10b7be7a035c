"""A server that is not the right one is shown no password: real TLS servers that write down all."""

import asyncio
import contextlib
import datetime
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from redis.exceptions import ConnectionError as RedisConnectionError

from config.settings import Settings
from deploy.certificate import fingerprint, make_certificate
from workers.queue.connection import connect

PASSWORD = "shown-to-the-right-one-only"


@dataclass
class Listener:
    """A TLS server that answers every command with +OK and keeps what it was sent."""

    port: int = 0
    heard: bytearray = field(default_factory=bytearray)
    greeted: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.greeted += 1
        with contextlib.suppress(OSError):
            while chunk := await reader.read(4096):
                self.heard += chunk
                writer.write(b"+OK\r\n" * chunk.count(b"*"))
        writer.close()


@pytest.fixture
def certified(make_settings: Callable[..., Settings], tmp_path: Path) -> Callable[[str], Settings]:
    """Makes the certificate of a node with this name."""

    def make(name: str) -> Settings:
        settings = make_settings(files_dir=tmp_path / name)
        settings.ssl_cert_dir.mkdir(exist_ok=True)
        make_certificate(settings)
        return settings

    return make


@pytest.fixture
async def listener(certified: Callable[[str], Settings]) -> AsyncIterator[Listener]:
    """A server with the certificate of the node `master`."""
    async with listening(certified("master")) as listener:
        yield listener


@contextlib.asynccontextmanager
async def listening(settings: Settings) -> AsyncIterator[Listener]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(settings.ssl_certfile, settings.ssl_keyfile)
    listener = Listener()
    server = await asyncio.start_server(listener.serve, "0.0.0.0", 0, ssl=context)
    listener.port = server.sockets[0].getsockname()[1]
    async with server:
        yield listener


@pytest.fixture
def worker(make_settings: Callable[..., Settings], listener: Listener) -> Callable[..., Settings]:
    """Settings of a worker of that server."""

    def make(**trust: Any) -> Settings:
        given = {"master_host": "localhost", **trust}
        return make_settings(
            node_type="distributed_worker", task_queue_port=listener.port,
            task_queue_passwd=PASSWORD, task_queue_tls=True, **given,
        )  # fmt: skip

    return make


async def ping(settings: Settings) -> None:
    redis = connect(settings)
    try:
        await redis.ping()
    finally:
        await redis.aclose(close_connection_pool=True)


def own(settings: Settings) -> dict[str, Any]:
    return {"task_queue_ca": settings.ssl_certfile}


async def test_the_right_server_is_logged_in_to(
    certified: Callable[[str], Settings], worker: Callable[..., Settings], listener: Listener
) -> None:
    master = certified("master")
    for trust in (own(master), {"task_queue_fingerprint": fingerprint(master)}):
        await ping(worker(**trust))
    assert listener.heard.count(PASSWORD.encode()) == 2


@pytest.mark.parametrize("by", ["fingerprint", "ca", "both, one of them wrong"])
async def test_another_server_is_sent_nothing(
    certified: Callable[[str], Settings],
    worker: Callable[..., Settings],
    listener: Listener,
    by: str,
) -> None:
    master, other = certified("master"), certified("other")
    trust = {
        "fingerprint": {"task_queue_fingerprint": fingerprint(other)},
        "ca": own(other),
        "both, one of them wrong": {
            "task_queue_fingerprint": fingerprint(other), **own(master),
        },
    }[by]  # fmt: skip
    with pytest.raises(RedisConnectionError, match="it was sent nothing") as refused:
        await ping(worker(**trust))
    assert f"localhost:{listener.port}" in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1
    assert bytes(listener.heard) == b""


async def test_every_try_looks_anew(
    certified: Callable[[str], Settings], worker: Callable[..., Settings], listener: Listener
) -> None:
    redis = connect(worker(task_queue_fingerprint=fingerprint(certified("other"))))
    for _ in range(3):
        with pytest.raises(RedisConnectionError, match="TASK_QUEUE_FINGERPRINT"):
            await redis.ping()
    await redis.aclose(close_connection_pool=True)
    assert (listener.greeted, bytes(listener.heard)) == (3, b"")


async def test_a_server_in_plain_text_is_sent_no_password(
    worker: Callable[..., Settings], certified: Callable[[str], Settings]
) -> None:
    plain = Listener()
    server = await asyncio.start_server(plain.serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        settings = worker(**own(certified("master"))).model_copy(update={"task_queue_port": port})
        with pytest.raises(RedisConnectionError):
            await ping(settings)
    assert PASSWORD.encode() not in plain.heard


def make_authority(settings: Settings) -> None:
    """A certificate for `localhost` that may sign others, as `openssl req -x509` makes them."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    settings.ssl_certfile.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    settings.ssl_keyfile.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


async def test_a_name_has_to_be_right_where_an_authority_vouches(
    certified: Callable[[str], Settings], worker: Callable[..., Settings]
) -> None:
    master = certified("master")
    make_authority(master)
    async with listening(master) as listener:
        named = {**own(master), "task_queue_port": listener.port}
        right = worker(**own(master)).model_copy(update=named)
        await ping(right)
        said = bytes(listener.heard)
        with pytest.raises(RedisConnectionError, match="it was sent nothing"):
            await ping(right.model_copy(update={"master_host": "127.0.0.2"}))
    assert bytes(listener.heard) == said


async def test_a_servers_own_certificate_will_do_under_any_name(
    certified: Callable[[str], Settings], worker: Callable[..., Settings]
) -> None:
    await ping(worker(**own(certified("master")), master_host="127.0.0.2"))


async def test_a_server_of_the_users_own_has_to_have_the_name_of_its_url(
    certified: Callable[[str], Settings],
    make_settings: Callable[..., Settings],
    listener: Listener,
) -> None:
    file = certified("master").ssl_certfile
    url = f"rediss://:{PASSWORD}@{{}}:{listener.port}?ssl_ca_certs={file}"
    await ping(make_settings(task_queue_url=url.format("localhost")))
    with pytest.raises(RedisConnectionError):
        await ping(make_settings(task_queue_url=url.format("127.0.0.2")))
    assert listener.heard.count(PASSWORD.encode()) == 1
