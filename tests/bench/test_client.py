"""The bench's client: scripts, answers in pieces, and servers that refuse, leave or say nothing."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from config.settings import Settings
from deploy.certificate import make_certificate
from deploy.folders import make_folders
from tests.bench.client import Client, Script, asking, follow, load, percentile, spread

HOST = "127.0.0.1"
REQUEST = ("GET", "/", b"")


@pytest.fixture
def client(make_settings: Callable[..., Settings]) -> Iterator[Client]:
    """Of a server that answers as the path says, as long as it is asked."""
    settings = make_settings()
    make_folders(settings)
    make_certificate(settings)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(settings.ssl_certfile, settings.ssl_keyfile)
    with socket.create_server((HOST, 0)) as listening:

        def accept_all() -> None:
            with suppress(OSError):  # closed: the test is over
                while True:
                    accepted = listening.accept()[0]
                    threading.Thread(target=serve, args=(context, accepted), daemon=True).start()

        serving = threading.Thread(target=accept_all, daemon=True)
        serving.start()
        yield Client(HOST, listening.getsockname()[1], settings.ssl_certfile)
        listening.shutdown(socket.SHUT_RDWR)
        serving.join()


def serve(context: ssl.SSLContext, accepted: socket.socket) -> None:
    """One connection; `/leave` is answered and ends it, `/silence` is not answered."""
    with suppress(OSError), context.wrap_socket(accepted, server_side=True) as connection:
        while request := connection.recv(1000):
            path = request.split(b" ")[1]
            if path == b"/refuse":
                connection.sendall(b"HTTP/1.1 500 Oh\r\ncontent-length: 2\r\n\r\nno")
            elif path != b"/silence":
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Len")  # a record each
                connection.sendall(b"gth: %d\r\n\r\n%b" % (len(path), path[:1]))
                connection.sendall(path[1:])
            if path == b"/leave":
                return


def test_answers_come_in_any_pieces(client: Client) -> None:
    with client.connected(1) as [connection]:
        assert connection.ask(("GET", "/some/path", b"")) == b"/some/path"
        assert connection.ask(("GET", "/", b"")) == b"/"


def test_a_load_is_shared_by_all_connections(client: Client) -> None:
    paths = [f"/{number}" for number in range(100)]
    with client.connected(5) as connections:
        brought = load(connections, [("GET", path, b"") for path in paths])

    assert sorted(brought.bodies) == sorted(path.encode() for path in paths)
    assert len(brought.latencies) == 100
    p50, p99 = (percentile(brought.latencies, share) for share in (0.5, 0.99))
    assert 0 < p50 <= p99 <= brought.seconds


def test_a_script_may_rest_while_others_go_on(client: Client) -> None:
    ended: list[str] = []

    def ask(path: str) -> Script[bytes]:
        if path == "/late":
            yield 0.2
        body = yield "GET", path, b""
        ended.append(path)
        return body

    began = time.monotonic()
    with client.connected(2) as connections:
        answers = spread(connections, ["/late", "/1", "/2", "/3"], ask)

    assert sorted(answers) == [b"/1", b"/2", b"/3", b"/late"]
    assert ended[-1] == "/late"
    assert time.monotonic() - began >= 0.2


def test_what_is_not_200_is_told(client: Client) -> None:
    with client.connected(1) as [connection], pytest.raises(RuntimeError, match="500 Oh"):
        connection.ask(("GET", "/refuse", b""))


def test_who_asks_a_server_that_has_left_is_told_at_once(client: Client) -> None:
    with client.connected(1) as [connection]:
        assert connection.ask(("GET", "/leave", b"")) == b"/leave"
        with pytest.raises(RuntimeError, match="the connection was lost"):
            connection.ask(REQUEST)


def test_an_answer_that_does_not_come_is_not_waited_for(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.bench.client.LONGEST_ANSWER", 0.2)
    with client.connected(2) as connections, pytest.raises(RuntimeError, match="no answer in"):
        follow(connections, [asking(("GET", path, b"")) for path in ("/", "/silence")])
