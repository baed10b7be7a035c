"""Clients that send or take slowly or not at all: they are let go, nobody else waits for them."""

import contextlib
import re
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.integration.app.cluster import HOST, Certificate, Cluster, Gateway
from tests.waiting import wait_until

READ_SECONDS = 1.0
TAKE_SECONDS = 2.0
LET_GO_WITHIN = 5.0
RUN_WITHIN = 30.0
MOST = 60
FEWEST = 16  # connections that MAX_CONNECTIONS may be
HEAD = b"POST /run/add HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def hasty(certificate: Certificate) -> Iterator[Gateway]:
    """A gateway with little patience, and a worker."""
    with Cluster(certificate) as cluster:
        gateway = cluster.add_gateway(
            REQUEST_READ_SECONDS=READ_SECONDS,
            ANSWER_READ_SECONDS=TAKE_SECONDS,
            MAX_CONNECTIONS=MOST,
        )
        cluster.add_worker()
        cluster.wait_ready()
        yield gateway


@pytest.fixture
def client(hasty: Gateway) -> Iterator[httpx.Client]:
    """A polite client of it."""
    with hasty.client() as client:
        yield client


def answer_on(connection: socket.socket) -> bytes:
    """All that comes until the other side closes; fails if it does not."""
    connection.settimeout(LET_GO_WITHIN)
    said = b""
    with contextlib.suppress(ConnectionError, ssl.SSLEOFError):
        while chunk := connection.recv(65536):
            said += chunk
    return said


def dribble(connection: socket.socket, piece: bytes) -> bytes:
    """Send a little again and again until the other side has enough; what it said."""
    began = time.monotonic()
    connection.settimeout(0.2)
    said = b""
    while time.monotonic() - began < LET_GO_WITHIN:
        try:
            connection.sendall(piece)
            said += (chunk := connection.recv(65536))
            if not chunk:
                return said
        except TimeoutError:
            continue
        except (ConnectionError, ssl.SSLError):
            return said
    raise AssertionError("still connected")


@pytest.mark.parametrize("sent", [b"", b"P", b"GET /healthz HTTP/1.1\r\nHost: x\r\n", HEAD])
def test_a_head_that_does_not_come_is_not_waited_for(hasty: Gateway, sent: bytes) -> None:
    began = time.monotonic()
    with hasty.socket() as connection:
        connection.sendall(sent)
        said = answer_on(connection)

    assert READ_SECONDS * 0.9 < time.monotonic() - began < LET_GO_WITHIN
    assert said.startswith(b"HTTP/1.1 408 ") if sent else said == b""
    assert (b'{"detail":' in said) is bool(sent)


def test_a_head_that_comes_slowly_is_not_waited_for(hasty: Gateway) -> None:
    with hasty.socket() as connection:
        connection.sendall(HEAD)
        dribble(connection, b"X-More: x\r\n")


@pytest.mark.parametrize("path", [b"run/add", b"upload"])
def test_a_body_that_comes_slowly_is_not_waited_for(hasty: Gateway, path: bytes) -> None:
    with hasty.socket() as connection:
        connection.sendall(HEAD.replace(b"run/add", path) + b"Content-Length: 1000000\r\n\r\n{")
        said = dribble(connection, b" ")

    assert said == b"" or b" 408 " in said or b" 4" in said


def test_the_rest_of_a_refused_body_is_not_waited_for(hasty: Gateway) -> None:
    with hasty.socket() as connection:
        connection.sendall(
            HEAD.replace(b"run/add", b"no/path") + b"Content-Length: 1000000\r\n\r\n"
        )
        said = dribble(connection, b" ")

    assert said.startswith(b"HTTP/1.1 404 ")


def test_a_handshake_that_does_not_come_is_not_waited_for(hasty: Gateway) -> None:
    began = time.monotonic()
    with socket.create_connection((HOST, hasty.port)) as connection:
        answer_on(connection)

    assert READ_SECONDS * 0.9 < time.monotonic() - began < LET_GO_WITHIN


def test_a_connection_that_is_kept_but_not_used_is_closed(hasty: Gateway) -> None:
    with hasty.socket() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer_on(connection).startswith(b"HTTP/1.1 200 ")


def test_who_is_slow_is_told_of_in_the_log_and_who_does_nothing_is_not(hasty: Gateway) -> None:
    with hasty.socket() as idle, hasty.socket() as slow:
        ports = [connection.getsockname()[1] for connection in (idle, slow)]
        request(idle, "GET", "/healthz")
        slow.sendall(b"GET /healthz")
        for connection in (idle, slow):
            answer_on(connection)
    seen = [re.compile(rf"slow_client .*\b{port}\b") for port in ports]

    wait_until(lambda: seen[1].search(hasty.log))
    assert not seen[0].search(hasty.log)


@pytest.mark.parametrize("path", ["/check/x", "/check/add"])
def test_an_answer_is_one_piece(hasty: Gateway, path: str) -> None:
    with hasty.socket() as connection:
        request(connection, "GET", path)
        piece = connection.recv(65536)  # one TLS record at most

    head, _, body = piece.partition(b"\r\n\r\n")
    assert b"\r\ncontent-length: %d\r\n" % len(body) in head


def test_a_client_that_waits_for_its_answer_is_not_bothered(client: httpx.Client) -> None:
    result = client.post("/run/doze", json={"seconds": 3 * READ_SECONDS}).json()["result"]

    assert result["ended"] - result["began"] >= 3 * READ_SECONDS


def test_a_large_upload_over_a_slow_line_comes_through(client: httpx.Client) -> None:
    def slowly() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(10):
            time.sleep(READ_SECONDS / 3)
            yield b"x" * 16 * 1024
        yield b"\r\n--x--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    stored = client.post("/upload", content=slowly(), headers=headers).json()

    assert len(client.get("/download", params=stored).content) == 10 * 16 * 1024


def test_a_head_that_does_not_end_is_refused(hasty: Gateway) -> None:
    with hasty.socket() as connection:
        connection.sendall(HEAD)
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            for _ in range(100):
                connection.sendall(b"X-More: %s\r\n" % (b"x" * 8000))
                time.sleep(0.001)
        said = answer_on(connection)

    assert said == b"" or said.startswith(b"HTTP/1.1 431 ")


def test_what_is_not_http_is_refused_in_json(hasty: Gateway) -> None:
    with hasty.socket() as connection:
        connection.sendall(b"\0\0\0 nonsense\r\n\r\n")
        said = answer_on(connection)

    assert said.startswith(b"HTTP/1.1 400 ")
    assert said.endswith(b'{"detail":"Invalid HTTP request received."}')


def test_idle_connections_make_room_for_honest_clients(hasty: Gateway) -> None:
    """As many as there may be are open and send a byte now and then; honest ones are served."""
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(hasty.socket()) for _ in range(MOST)]
        for connection in idle:
            connection.sendall(HEAD)
        began = time.monotonic()

        def is_served() -> bool:
            with hasty.client() as client:
                return client.get("/healthz").status_code == 200

        wait_until(is_served, within=3)
        assert time.monotonic() - began < 2.5


def test_beyond_the_bound_a_client_is_told_to_come_back(hasty: Gateway) -> None:
    """None of the others is idle: each waits for its answer."""
    body = b'{"seconds": 2}'
    with contextlib.ExitStack() as stack:
        for _ in range(MOST + 1):
            connection = stack.enter_context(hasty.socket())
            head = HEAD.replace(b"run/add", b"run/doze") + b"Content-Length: %d\r\n\r\n" % len(body)
            connection.sendall(head + body)
        time.sleep(0.1)
        with hasty.client() as client:
            answer = client.get("/healthz")

    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert set(answer.json()) == {"detail"}


def test_who_has_to_give_way_amid_an_answer_is_not_told_so_within_it(own_cluster: Cluster) -> None:
    """Its next request has begun to come, so it is waited for."""
    gateway = own_cluster.add_gateway(MAX_CONNECTIONS=FEWEST)
    gateway.wait_ready()
    with (own_cluster.files / "large").open("wb") as file:
        file.truncate(LARGE)
    with contextlib.ExitStack() as stack:
        taking = stack.enter_context(lazy_socket(gateway))
        taking.sendall(b"GET /download?file_name=large HTTP/1.1\r\nHost: x\r\n\r\n")
        begun = taking.recv(1024)
        taking.sendall(HEAD + b"Content-Length: 9\r\n\r\n{")
        for _ in range(FEWEST - 1):
            stack.enter_context(gateway.socket())

        def is_served_instead() -> bool:
            with gateway.client() as client:
                return client.get("/healthz").status_code == 200

        wait_until(is_served_instead)
        said = answer_on(taking)

    assert begun.startswith(b"HTTP/1.1 200 ")
    assert said.count(b"HTTP/1.1 503 ") == 0


def request(
    connection: ssl.SSLSocket, method: str, path: str, body: bytes = b"", keep: str = "keep-alive"
) -> None:
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    head += f"Connection: {keep}\r\n"
    connection.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)


def is_served(gateway: Gateway, connection: socket.socket) -> bool:
    """Whether the gateway's kernel has this connection; the client is not told of its end."""
    ends = f":{gateway.port:04X} ", f":{connection.getsockname()[1]:04X} "
    return any(ends[0] in line[:21] and ends[1] in line[20:35] for line in connections_here())


def connections_here() -> list[str]:
    return Path("/proc/net/tcp").read_text().splitlines()


def taken_slowly(connection: ssl.SSLSocket, pieces: int) -> bytes:
    """Read some, several times in the time that a client has, and in the end the rest."""
    said = bytearray(connection.recv(1))  # it has begun; a job may have been run for it
    connection.settimeout(LET_GO_WITHIN)
    for _ in range(pieces):
        wanted = len(said) + NOTICED
        while len(said) < wanted:
            said += connection.recv(16 * 1024)
        time.sleep(TAKE_SECONDS / 6)
    length = int(re.search(rb"(?i)content-length: (\d+)", said)[1])  # type: ignore[index]
    head = said.index(b"\r\n\r\n") + 4
    while len(said) < head + length and (chunk := connection.recv(65536)):
        said += chunk
    return bytes(said[head:])


def lazy_socket(gateway: Gateway) -> ssl.SSLSocket:
    """A connection with a small buffer, so that what is not read soon waits at the gateway."""
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    plain.settimeout(RUN_WITHIN)
    plain.connect((HOST, gateway.port))
    return gateway.context.wrap_socket(plain, server_hostname=HOST)


NOTICED = 128 * 1024  # bytes that a client's kernel tells of; fewer are gathered first
LARGE = 64 * 2**20
RESULT = b"y" * 12 * 2**20


@pytest.fixture(scope="module")
def large_file(hasty: Gateway) -> str:
    """The name of a file that no buffer holds."""
    with (hasty.folder.parent / "large").open("wb") as file:
        file.truncate(LARGE)
    return "large"


def peak_memory(gateway: Gateway) -> int:
    status = Path(f"/proc/{gateway.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024  # type: ignore[index]


def test_a_download_that_is_not_taken_is_broken_off(hasty: Gateway, large_file: str) -> None:
    before = peak_memory(hasty)
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(lazy_socket(hasty)) for _ in range(16)]
        began = time.monotonic()
        for connection in connections:
            request(connection, "GET", f"/download?file_name={large_file}")
        assert all(is_served(hasty, connection) for connection in connections)
        wait_until(lambda: not any(is_served(hasty, c) for c in connections), within=LET_GO_WITHIN)
        assert time.monotonic() - began > TAKE_SECONDS * 0.9
    assert peak_memory(hasty) - before < LARGE // 2


def test_a_large_answer_that_is_not_taken_is_broken_off(hasty: Gateway) -> None:
    with lazy_socket(hasty) as connection:
        request(connection, "POST", "/run/act", b'{"how":"repeat","text":"%s"}' % RESULT)
        wait_until(lambda: not is_served(hasty, connection), within=2 * LET_GO_WITHIN)


def test_a_download_that_is_taken_slowly_comes_through(hasty: Gateway, large_file: str) -> None:
    with lazy_socket(hasty) as connection:
        request(connection, "GET", f"/download?file_name={large_file}")
        assert len(taken_slowly(connection, 12)) == LARGE


@pytest.mark.parametrize("keep", ["keep-alive", "close"])
def test_a_large_answer_that_is_taken_slowly_comes_through(hasty: Gateway, keep: str) -> None:
    with lazy_socket(hasty) as connection:
        request(connection, "POST", "/run/act", b'{"how":"repeat","text":"%s"}' % RESULT, keep)
        assert RESULT in taken_slowly(connection, 12)
