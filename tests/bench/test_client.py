"""The bench's client: what it does about a server that leaves."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator

import pytest

from config.settings import Settings
from deploy.certificate import make_certificate
from deploy.folders import make_folders
from tests.bench.client import Client

HOST = "127.0.0.1"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
REQUEST = ("GET", "/", b"")


@pytest.fixture
def client(make_settings: Callable[..., Settings]) -> Iterator[Client]:
    """Of a server that answers one request, and closes."""
    settings = make_settings()
    make_folders(settings)
    make_certificate(settings)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(settings.ssl_certfile, settings.ssl_keyfile)
    with socket.create_server((HOST, 0)) as listening:

        def answer_once() -> None:
            with context.wrap_socket(listening.accept()[0], server_side=True) as accepted:
                accepted.recv(1000)
                accepted.sendall(ANSWER)

        serving = threading.Thread(target=answer_once)
        serving.start()
        yield Client(HOST, listening.getsockname()[1], settings.ssl_certfile)
        serving.join()


def test_who_asks_a_server_that_has_left_is_told_at_once(client: Client) -> None:
    with client.connected(1) as [connection]:
        assert connection.ask(REQUEST) == b"ok"
        with pytest.raises(RuntimeError, match="the connection was lost"):
            connection.ask(REQUEST)
