"""What no HTTP client sends: refused or answered, never with a 5xx, never left waiting.

https://portswigger.net/web-security/request-smuggling has most of the pairs that are taken
differently by two servers one behind the other.
"""

import asyncio
import contextlib
import os
import random
import re
from collections.abc import Iterator

import pytest

from tests.integration.app.cluster import HOST, Certificate, Cluster, Gateway
from tests.waiting import eventually

READ_SECONDS = 0.5
LONGEST = 5.0  # seconds until the other side closes, whatever it was sent
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")

GET = b"GET /healthz HTTP/1.1\r\n"
POST = b"POST /run/add HTTP/1.1\r\nContent-Type: application/json\r\n"
NAMED = b"Host: x\r\n"
BODY = b'{"a": 1}'
CHUNKS = b"8\r\n" + BODY + b"\r\n0\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
GZIP = b"Transfer-Encoding: gzip"
HIDDEN = b"GET /docs HTTP/1.1\r\nHost: x\r\n\r\n"  # its answer would be long
END = b"\r\n"

REFUSED = {
    "a length and chunks": POST + NAMED + b"Content-Length: 8\r\n" + CHUNKED + END + CHUNKS + END,
    "chunks and a length": POST + NAMED + CHUNKED + b"Content-Length: 4\r\n\r\n" + CHUNKS + END,
    "two lengths": POST + NAMED + b"Content-Length: 8\r\nContent-Length: 9\r\n\r\n" + BODY,
    "a list of lengths": POST + NAMED + b"Content-Length: 8, 8\r\n\r\n" + BODY,
    "a length with a sign": POST + NAMED + b"Content-Length: +8\r\n\r\n" + BODY,
    "a negative length": POST + NAMED + b"Content-Length: -8\r\n\r\n" + BODY,
    "a hexadecimal length": POST + NAMED + b"Content-Length: 0x8\r\n\r\n" + BODY,
    "a length beyond 64 bits": POST + NAMED + b"Content-Length: %d\r\n\r\n" % 2**64 + BODY,
    "no length": POST + NAMED + b"Content-Length:\r\n\r\n" + BODY,
    "nearly chunked": POST + NAMED + b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNKS + END,
    "chunked, then not": POST + NAMED + b"Transfer-Encoding: chunked, identity\r\n\r\n" + CHUNKS,
    "chunked twice": POST + NAMED + CHUNKED + b"Transfer-Encoding: identity\r\n\r\n" + CHUNKS,
    "compressed and chunked": POST + NAMED + GZIP + b", chunked\r\n\r\n" + CHUNKS + END,
    "compressed, then chunked": POST + NAMED + GZIP + END + CHUNKED + END + CHUNKS + END,
    "a space before the colon": POST + NAMED + b"Transfer-Encoding : chunked\r\n\r\n" + CHUNKS,
    "a control before the value": POST + NAMED + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + CHUNKS,
    "no size of a chunk": POST + NAMED + CHUNKED + b"\r\nzz\r\n" + BODY,
    "a negative size": POST + NAMED + CHUNKED + b"\r\n-8\r\n" + BODY,
    "a size beyond 64 bits": POST + NAMED + CHUNKED + b"\r\n" + b"f" * 17 + b"\r\n" + BODY,
    "more than its size": POST + NAMED + CHUNKED + b"\r\n8\r\n" + BODY + b"XX0\r\n\r\n",
    "chunks that end with line feeds": POST + NAMED + CHUNKED + b"\r\n8\n" + BODY + b"\n0\n\n",
    "a line feed in an extension": POST + NAMED + CHUNKED + b"\r\n8;a\nx\r\n" + BODY + b"\r\n0\r\n",
    "lines that end with line feeds": b"GET /healthz HTTP/1.1\nHost: x\n\n",
    "lines that end with returns": b"GET /healthz HTTP/1.1\rHost: x\r\r",
    "a return in a header": GET + NAMED + b"A: b\rc\r\n\r\n",
    "NUL in a header": GET + NAMED + b"A: b\0c\r\n\r\n",
    "a header over two lines": GET + NAMED + b"A: b\r\n c\r\n\r\n",
    "a space before the first header": GET + b" Host: x\r\n\r\n",
    "no colon": GET + NAMED + b"nonsense\r\n\r\n",
    "no name": GET + NAMED + b": value\r\n\r\n",
    "a name with a space": GET + NAMED + b"A b: c\r\n\r\n",
    "no host": GET + END,
    "two hosts": GET + b"Host: a\r\nHost: b\r\n\r\n",
    "NUL in the path": b"GET /check/\0 HTTP/1.1\r\nHost: x\r\n\r\n",
    "no ASCII in the path": b"GET /check/\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n",
    "no ASCII in the query": b"GET /download?file_name=\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    "a path without a slash": b"GET healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "no path": b"GET  HTTP/1.1\r\nHost: x\r\n\r\n",
    "an address without a path": b"GET http://x HTTP/1.1\r\nHost: x\r\n\r\n",
    "a broken address": b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",
    "an address to tunnel to": b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    "an unknown method": b"FOO /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "a method in small letters": b"get /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "HTTP/0.9": b"GET /healthz\r\n\r\n",
    "HTTP/1.2": b"GET /healthz HTTP/1.2\r\nHost: x\r\n\r\n",
    "HTTP/2.0": b"GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "another protocol, and a body": POST + NAMED + b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
    b"Content-Length: 8\r\n\r\n" + BODY,
    "TLS in TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "every byte": bytes(range(256)),
    "a long path": b"GET /check/" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
}
CLOSE = b"Connection: close\r\n\r\n"
ANSWERED = {
    "HTTP/1.0": (b"GET /healthz HTTP/1.0\r\n\r\n", 200),
    "an address as target": (b"GET http://x/healthz HTTP/1.1\r\nHost: x\r\n" + CLOSE, 200),
    "no path but an asterisk": (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n" + CLOSE, 404),
    "a fragment": (b"GET /healthz#x HTTP/1.1\r\nHost: x\r\n" + CLOSE, 200),
    "empty lines before it": (b"\r\n" * 3 + GET + NAMED + CLOSE, 200),
    "NUL in the path, escaped": (b"GET /check/%00 HTTP/1.1\r\nHost: x\r\n" + CLOSE, 200),
    "no UTF-8 in the path, escaped": (b"GET /check/%ff%fe HTTP/1.1\r\nHost: x\r\n" + CLOSE, 200),
    "half an escape": (b"GET /check/%zz% HTTP/1.1\r\nHost: x\r\n" + CLOSE, 200),
    "NUL in a file's name": (b"GET /download?file_name=a%00 HTTP/1.1\r\nHost: x\r\n" + CLOSE, 400),
    "a way out of the assets": (b"GET /docs-assets/%2e%2e/%2e%2e/x HTTP/1.1\r\nHost: x\r\n" + CLOSE,
                                404),
    "NUL in an asset's name": (b"GET /docs-assets/a%00 HTTP/1.1\r\nHost: x\r\n" + CLOSE, 404),
    "an odd range": (b"GET /docs-assets/swagger-ui.css HTTP/1.1\r\nRange: bytes=5-1\r\nHost: x\r\n"
                     + CLOSE, 400),
    "many headers": (GET + NAMED + b"A: b\r\n" * 5000 + CLOSE, 200),
    "no UTF-8 in headers": (GET + NAMED + b"Authorization: \xff\r\nA: \xff;=\r\n" + CLOSE, 200),
    "a proxy that names no address": (GET + NAMED + b"X-Forwarded-For: unix:\r\n" + CLOSE, 200),
    "chunks in capitals": (POST + NAMED + b"Transfer-Encoding:  CHUNKED \r\n" + CLOSE + CHUNKS
                           + END, 200),
    "chunks with extensions": (POST + NAMED + CHUNKED + CLOSE + b"8;a=b\r\n" + BODY
                               + b"\r\n0;c\r\n\r\n", 200),
    "an expectation": (POST + NAMED + b"Expect: 200-maybe\r\nContent-Length: 8\r\n" + CLOSE + BODY,
                       200),
    "an odd boundary": (b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\nContent-Type: "
                        b"multipart/form-data; boundary*=utf-9''%zz\r\n" + CLOSE + BODY, 400),
    "another protocol": (GET + NAMED + b"Connection: Upgrade\r\nUpgrade: x\r\n\r\n" + HIDDEN, 200),
}  # fmt: skip


@pytest.fixture(scope="module")
def gateway(certificate: Certificate) -> Iterator[Gateway]:
    """A gateway that closes idle connections soon, and a worker."""
    with Cluster(certificate) as cluster:
        gateway = cluster.add_gateway(REQUEST_READ_SECONDS=READ_SECONDS)
        cluster.add_worker()
        cluster.wait_ready()
        yield gateway
        works(gateway)


def works(gateway: Gateway) -> None:
    """Fails if the gateway does not answer others as ever, or has met what it does not expect."""
    with gateway.client() as client:
        assert client.post("/run/add", json={"a": 1}).json()["result"] == {"total": 1}
    assert "Traceback" not in gateway.log
    assert "unexpected_error" not in gateway.log


async def said(gateway: Gateway, sent: bytes, handshakes: asyncio.Semaphore | None = None) -> bytes:
    """All that comes until the other side closes; fails if it does not."""
    async with handshakes or contextlib.nullcontext():
        reader, writer = await asyncio.open_connection(HOST, gateway.port, ssl=gateway.context)
    try:
        async with asyncio.timeout(LONGEST):
            writer.write(sent)
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.transport.abort()


def statuses(answers: bytes) -> list[int]:
    """Of all the answers that came over one connection."""
    return [int(status) for status in STATUS.findall(answers)]


@pytest.mark.parametrize("sent", REFUSED.values(), ids=REFUSED)
async def test_what_can_be_taken_in_two_ways_is_refused(gateway: Gateway, sent: bytes) -> None:
    """Once, and what follows, or was hidden in it, is not answered."""
    answer = await said(gateway, sent + HIDDEN)

    assert statuses(answer) in ([400], [431])
    assert b"\r\nConnection: close" in answer or b"\r\nconnection: close" in answer
    assert b'{"detail":' in answer


@pytest.mark.parametrize(("sent", "status"), ANSWERED.values(), ids=ANSWERED)
async def test_what_is_odd_is_answered_once(gateway: Gateway, sent: bytes, status: int) -> None:
    assert statuses(await said(gateway, sent)) == [status]


async def test_requests_that_do_not_wait_are_answered_in_their_order(gateway: Gateway) -> None:
    checks = (b"GET /check/job-%d HTTP/1.1\r\nHost: x\r\n\r\n" % n for n in range(50))
    answers = await said(gateway, b"".join(checks))

    assert statuses(answers) == [200] * 50
    assert re.findall(rb'"id":"job-(\d+)"', answers) == [b"%d" % n for n in range(50)]


async def test_the_last_answer_says_so_and_is_else_as_all_others(gateway: Gateway) -> None:
    """An answer that is written in one piece is what uvicorn would write."""
    check = b"GET /check/x HTTP/1.1\r\nHost: x\r\n"
    answers = await said(gateway, check + END + check + CLOSE)
    one, other = (b"HTTP" + answer for answer in answers.split(b"HTTP")[1:])

    assert other == one.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1)
    head, _, body = one.partition(b"\r\n\r\n")
    assert b"\r\ncontent-length: %d\r\n" % len(body) in head
    assert b"\r\ncontent-type: application/json" in head
    assert b"\r\nx-content-type-options: nosniff\r\n" in head


async def test_requests_before_what_is_none_are_answered(gateway: Gateway) -> None:
    """Not with the refusal of what came later: their client would take it for theirs."""
    answers = await said(gateway, GET + NAMED + END + POST + NAMED + CHUNKED + END + CHUNKS + END
                         + b"nonsense\r\n\r\n" + HIDDEN)  # fmt: skip

    assert statuses(answers) == [200, 200]
    assert b'"total":1' in answers


@pytest.mark.parametrize(
    "spoilt",
    [NAMED + CHUNKED + END + b"zz\r\n", NAMED + b"A: b\r\n" * 100_000],
    ids=["body", "head"],
)
@pytest.mark.parametrize("between", [b"", GET + NAMED + END], ids=["next", "later"])
async def test_a_request_under_way_is_answered_whatever_comes_behind(
    gateway: Gateway, spoilt: bytes, between: bytes
) -> None:
    sent = POST.replace(b"add", b"doze") + NAMED + b'Content-Length: 16\r\n\r\n{"seconds": 0.3}'
    answers = await said(gateway, sent + between + POST + spoilt)

    good = 2 if between else 1
    assert statuses(answers)[:good] == [200] * good
    assert statuses(answers)[good:] in ([], [400], [408], [431])
    assert b'"state":"SUCCESS"' in answers


async def test_a_client_that_waits_for_its_second_answer_is_not_bothered(gateway: Gateway) -> None:
    body = b'{"seconds": %f}' % (3 * READ_SECONDS)
    slow = POST.replace(b"add", b"doze") + NAMED + b"Content-Length: %d\r\n\r\n" % len(body) + body
    answers = await said(gateway, GET + NAMED + END + slow)

    assert statuses(answers) == [200, 200]
    assert b'"state":"SUCCESS"' in answers


@pytest.mark.parametrize("trailer", [b"Content-Type: text/plain", b"Content-Encoding: gzip",
                                     b"Host: y", b"Idempotency-Key: \xff"])  # fmt: skip
async def test_a_trailer_says_nothing(gateway: Gateway, trailer: bytes) -> None:
    sent = POST + NAMED + CHUNKED + CLOSE + CHUNKS + trailer + END + END

    assert statuses(await said(gateway, sent)) == [200]


@pytest.mark.parametrize(
    ("begun", "endless"),
    [(CHUNKS, b"X-More: x\r\n" * 100), (CHUNKS, b"x" * 1000), (b"8;", b"x" * 1000)],
    ids=["trailers", "a trailer", "an extension of a chunk"],
)
async def test_what_does_not_end_is_not_taken_for_long(
    gateway: Gateway, begun: bytes, endless: bytes
) -> None:
    """Neither kept in memory nor read until the time is over."""
    reader, writer = await asyncio.open_connection(HOST, gateway.port, ssl=gateway.context)
    writer.write(POST + NAMED + CHUNKED + END + begun)
    taken = 0
    with contextlib.suppress(ConnectionError):
        while not reader.at_eof() and taken < 2**24:
            writer.write(endless)
            await writer.drain()
            await asyncio.sleep(0)  # lets the reader see the end
            taken += len(endless)
    writer.transport.abort()

    assert taken < 2**22


@pytest.mark.parametrize("path", [b"run/add", b"create/strict", b"revoke", b"upload"])
async def test_half_a_body_is_no_mistake_of_ours(gateway: Gateway, path: bytes) -> None:
    """Nor is it one in the log, where each would leave a page."""
    sent = POST.replace(b"run/add", path) + NAMED + b"Content-Length: 9\r\n\r\n" + BODY

    assert statuses(await said(gateway, sent)) in ([408], [400])
    works(gateway)


PIECES = [
    *(sent for sent in REFUSED.values() if len(sent) < 1000),
    *(sent for sent, _ in ANSWERED.values()),
    GET, POST, NAMED, CHUNKED, CLOSE, CHUNKS, END, BODY, HIDDEN, b"Content-Length: 8\r\n", b"\0",
    b"\r", b"\n", b" ", b":", b"\xff", b"HTTP/1.1", b"/", b"0\r\n\r\n", b"ffffffff\r\n",
    b"Upgrade: x\r\n", b"Connection: upgrade\r\n", b"Expect: 100-continue\r\n",
    b"A: " + b"b" * 5000 + b"\r\n",
]  # fmt: skip


def spoilt(dice: random.Random) -> bytes:
    """Requests one after the other, and then some bytes of them lost, doubled or changed."""
    sent = bytearray().join(dice.choices(PIECES, k=dice.randint(1, 6)))
    for _ in range(dice.randint(0, 4)):
        at = dice.randrange(len(sent) + 1)
        change = dice.choice([b"", bytes([dice.randrange(256)]), sent[at : at + 20] * 2])
        sent[at : at + dice.randint(0, 3)] = change
    return bytes(sent)


def open_files(gateway: Gateway) -> int:
    """How many it has open, connections among them."""
    return len(os.listdir(f"/proc/{gateway.process.pid}/fd"))  # noqa: PTH208  counted only


@pytest.mark.timeout(120)
async def test_whatever_is_sent_nobody_is_left_waiting(gateway: Gateway) -> None:
    seed = 1 if "CI" in os.environ else random.randrange(2**32)
    dice, before, at_once = random.Random(seed), open_files(gateway), asyncio.Semaphore(50)
    handshakes = asyncio.Semaphore(5)  # a busy machine does not do 50 within READ_SECONDS

    async def one(sent: bytes) -> None:
        async with at_once:
            try:
                answers = await said(gateway, sent, handshakes)
            except TimeoutError:
                raise AssertionError(f"seed {seed}: nobody ended {sent!r}") from None
            assert max(statuses(answers), default=0) < 500, f"seed {seed}: {sent!r} got {answers!r}"

    await asyncio.gather(*(one(spoilt(dice)) for _ in range(1000)))
    works(gateway)
    await eventually(lambda: open_files(gateway) <= before + 2)


@pytest.mark.parametrize("behind", [b"", GET + NAMED + END], ids=["nothing", "another"])
async def test_nobody_waits_for_a_client_that_has_gone(gateway: Gateway, behind: bytes) -> None:
    audit = gateway.folder / "log" / "audit.log"
    before = audit.read_text().count(":499") if audit.exists() else 0
    _, writer = await asyncio.open_connection(HOST, gateway.port, ssl=gateway.context)
    body = b'{"seconds": 4}'
    head = POST.replace(b"add", b"doze") + NAMED + b"Content-Length: %d\r\n\r\n" % len(body)
    writer.write(head + body + behind)
    await asyncio.sleep(0.3)
    writer.transport.abort()

    await eventually(lambda: audit.exists() and audit.read_text().count(":499") > before, 3)
