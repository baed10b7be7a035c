"""Connections as this gateway serves them: a client that sends too slowly is let go.

uvicorn's own protocol waits for a request's head and body for as long as a client likes, so that a
few thousand idle connections would lock everybody out (Slowloris). Here each client has to send
something within REQUEST_READ_SECONDS: its next head as a whole, then its body piece by piece. A
client whose request is complete is never bothered, however long it waits for the answer.
"""

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import uvloop
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.accepting import FairServer
from app.errors import RETRY_AFTER_SECONDS, answer
from app.one_write import in_one_write
from app.security_headers import HEADERS
from config.logs import event
from config.settings import Settings

log = logging.getLogger("fasttask.app")

LARGEST_HEAD = 64 * 1024  # bytes of a request's line and headers
SMALLEST_PIECE = 16 * 1024  # bytes of a body that count as progress
PATIENCE_SECONDS = 1.0  # how long a client may always take, however many others there are
TOO_MANY = "too many connections; try again later"
NO_HEADERS: Mapping[str, str] = MappingProxyType({})
RETRY_LATER = MappingProxyType({"Retry-After": str(RETRY_AFTER_SECONDS)})


class Senders:
    """The connections whose client has to send something, the one idle for longest first."""

    def __init__(self, settings: Settings) -> None:
        self._longest = settings.request_read_seconds
        self._most = settings.max_connections
        self._idle_since: dict[Connection, float] = {}
        self._sweeper: asyncio.TimerHandle | None = None

    def expect(self, connection: "Connection") -> None:
        """From now on, or again, this client has to send something."""
        self._idle_since.pop(connection, None)
        self._idle_since[connection] = time.monotonic()
        if self._sweeper is None:
            self._sweep_later()

    def release(self, connection: "Connection") -> None:
        """This client has sent its request, or has gone."""
        self._idle_since.pop(connection, None)

    def make_room(self, connections: int) -> bool:
        """Whether one of so many connections may be served, if need be in place of an idle one."""
        if connections <= self._most:
            return True
        oldest, since = next(iter(self._idle_since.items()), (None, 0.0))
        if oldest is None or time.monotonic() - since < PATIENCE_SECONDS:
            return False
        self.release(oldest)
        oldest.give_way()
        return True

    def _sweep_later(self) -> None:
        pause = min(1.0, self._longest / 4)
        self._sweeper = asyncio.get_running_loop().call_later(pause, self._sweep)

    def _sweep(self) -> None:
        self._sweeper = None
        latest = time.monotonic() - self._longest
        for connection in [c for c, since in self._idle_since.items() if since < latest]:
            self.release(connection)
            connection.let_go()
        if self._idle_since:
            self._sweep_later()


class Connection(HttpToolsProtocol):
    """One client's connection."""

    def __init__(self, *, senders: Senders, **of_uvicorn: Any) -> None:
        super().__init__(**of_uvicorn)
        self._senders = senders
        self._head_bytes: int | None = None  # of the head that is being read
        self._piece = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The TLS handshake is done."""
        super().connection_made(transport)
        self.transport = in_one_write(transport)
        if not self._senders.make_room(len(self.connections)):
            self.app = _too_many
        self._senders.expect(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Either side has closed it."""
        self._senders.release(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes, decrypted."""
        in_head = self._head_bytes is not None
        super().data_received(data)
        if not in_head or self._head_bytes is None:
            return
        self._head_bytes += len(data)
        if self._head_bytes > LARGEST_HEAD and not self.transport.is_closing():
            self._refuse(431, f"the request's head is longer than {LARGEST_HEAD} bytes")

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        """The head of a request."""
        self._head_bytes = None
        self._piece = 0
        super().on_headers_complete()
        self._senders.expect(self)

    def on_body(self, body: bytes) -> None:
        """A piece of a body, of any size."""
        super().on_body(body)
        self._piece += len(body)
        if self._piece >= SMALLEST_PIECE:
            self._piece = 0
            self._senders.expect(self)

    def on_message_complete(self) -> None:
        """A whole request. It may have been refused before it was read."""
        super().on_message_complete()
        if not self.cycle.response_complete:
            self._senders.release(self)

    def on_response_complete(self) -> None:
        """A whole answer."""
        super().on_response_complete()
        if not self.transport.is_closing():
            self._senders.expect(self)

    def send_400_response(self, msg: str) -> None:
        """What was sent is not HTTP."""
        self._refuse(400, msg)

    def let_go(self) -> None:
        """Its client was silent for too long."""
        if self.transport.is_closing():
            return
        if self.flow.read_paused:  # not its fault: we have not read what it sent
            self._senders.expect(self)
            return
        event(log, logging.INFO, "slow_client", address=self.client)
        if self._head_bytes is not None or self._is_reading_a_body():
            self._refuse(408, "the request took too long to arrive")
        else:
            self.transport.abort()

    def give_way(self) -> None:
        """Others need its place."""
        if not self.transport.is_closing():
            self._refuse(503, TOO_MANY, RETRY_LATER)

    def _is_reading_a_body(self) -> bool:
        return self.cycle is not None and self.cycle.more_body and not self.cycle.response_started

    def _refuse(self, status: int, detail: str, headers: Mapping[str, str] = NO_HEADERS) -> None:
        """Answer what no application will see, and close."""
        refusal = answer(status, detail, {**HEADERS, **headers, "Connection": "close"})
        lines = b"".join(b"%b: %b\r\n" % header for header in refusal.raw_headers)
        self.transport.write(STATUS_LINE[status] + lines + b"\r\n" + bytes(refusal.body))
        self.transport.close()


class Loop(uvloop.Loop):
    """An event loop whose servers share connections fairly, and give a TLS handshake its time."""

    def __init__(self, handshake_seconds: float) -> None:
        super().__init__()
        self._handshake_seconds = handshake_seconds

    async def create_server(  # type: ignore[override]  # uvicorn does no more with it than close it
        self, protocol: Callable[[], asyncio.Protocol], *, sock: socket.socket,
        ssl: ssl.SSLContext | None = None, **_ignored: Any,
    ) -> FairServer:  # fmt: skip
        """As asyncio's, for a socket that listens already."""
        tls = {"ssl": ssl, "ssl_handshake_timeout": self._handshake_seconds} if ssl else {}
        return FairServer(sock, protocol, **tls)


async def _too_many(scope: Scope, receive: Receive, send: Send) -> None:
    """The application for a connection beyond MAX_CONNECTIONS."""
    refusal = answer(503, TOO_MANY, {**RETRY_LATER, "Connection": "close"})
    await refusal(scope, receive, send)
