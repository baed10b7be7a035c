"""Connections as this gateway serves them: a client that sends too slowly is let go.

uvicorn's own protocol waits for a request's head and body for as long as a client likes, so that a
few thousand idle connections would lock everybody out (Slowloris). Here each client has to send
something within REQUEST_READ_SECONDS: its next head as a whole, then its body piece by piece. A
client whose request is complete is never bothered, however long it waits for the answer.

Of an answer it has to take something, however little, within ANSWER_READ_SECONDS. What is left of
an answer when the server has handed it over is still taken, before the next request is waited for.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote

import httptools
from starlette.types import Receive, Scope, Send
from uvicorn._types import ASGIVersions, HTTPScope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.answering import Answering, header_lines
from app.awaited import Awaited
from app.errors import LAST, RETRY_LATER, answer
from app.framing import refuse_ambiguous
from app.patience import client_has_gone
from app.security_headers import HEADERS
from app.taking import Taking
from app.whole_answers import OFFERED
from config.logs import event
from config.settings import Settings

log = logging.getLogger("fasttask.app")

ASGI: ASGIVersions = {"version": "3.0", "spec_version": "2.3"}
LOOKS = 4  # at a client that takes its answer, in the time that it may take nothing
LARGEST_HEAD = 64 * 1024  # bytes of a request's line and headers, or of trailers and the like
SMALLEST_PIECE = 16 * 1024  # bytes of a body that count as progress
PATIENCE_SECONDS = 1.0  # how long a client may always take, however many others there are
TOO_MANY = "too many connections; try again later"
NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Clients:
    """The connections of this process, by what their clients have to do."""

    def __init__(self, settings: Settings) -> None:
        self.answer_seconds = settings.answer_read_seconds
        self.sending: Awaited[Connection] = Awaited(
            settings.request_read_seconds, Connection.let_go
        )
        self.taking: Awaited[Connection] = Awaited(
            settings.answer_read_seconds / LOOKS, Connection.look_what_it_takes
        )
        self._most = settings.max_connections

    def forget(self, connection: "Connection") -> None:
        """It is closed."""
        self.sending.release(connection)
        self.taking.release(connection)

    def make_room(self, connections: int) -> bool:
        """Whether one of so many connections may be served, if need be in place of an idle one."""
        if connections <= self._most:
            return True
        oldest, seconds = self.sending.idle_longest()
        if oldest is None or seconds < PATIENCE_SECONDS:
            return False
        self.sending.release(oldest)
        oldest.give_way()
        return True


class Connection(HttpToolsProtocol):
    """One client's connection."""

    cycle: Answering
    _taking: Taking
    _answering: Answering | None = None  # others wait

    def __init__(self, *, clients: Clients, **of_uvicorn: Any) -> None:
        super().__init__(**of_uvicorn)
        self._clients = clients
        self._in_head = False
        self._has_ended = False  # what still comes is no request any more
        self._overhead = 0  # bytes since the head began or ended, or the last ones of a body
        self._piece = 0
        self._waiting: deque[Answering] = deque()  # the latest first

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The TLS handshake is done."""
        super().connection_made(transport)
        self._taking = Taking(transport)
        if not self._clients.make_room(len(self.connections)):
            self.app = _too_many
        self._clients.sending.expect(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Either side has closed it."""
        self._clients.forget(self)
        super().connection_lost(exc)
        answering = self._answering  # uvicorn tells the last one only
        if answering is not None and not answering.response_complete:
            answering.disconnected = True
            answering.message_event.set()
            client_has_gone(answering.scope["state"])

    def data_received(self, data: bytes) -> None:
        """Bytes, decrypted."""
        if self._has_ended:
            return
        self._overhead += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:  # we do not; `on_headers_complete` has seen to it
            pass
        except httptools.HttpParserError:
            self._refuse_last(400, "Invalid HTTP request received.")
        if self._overhead > LARGEST_HEAD and not self.transport.is_closing():
            text = f"the request's head or trailer is longer than {LARGEST_HEAD} bytes"
            self._refuse_last(431, text)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self.url, self.headers, self.expect_100_continue = b"", [], False
        self._in_head = True
        self._overhead = 0

    def on_headers_complete(self) -> None:
        """The head of a request."""
        self._in_head = False
        self._overhead = self._piece = 0
        version, upgrades = self.parser.get_http_version(), self.parser.should_upgrade()
        refuse_ambiguous(version, self.headers, upgrades=upgrades)
        keep_alive = version != "1.0" and self.parser.should_keep_alive()
        before, self.cycle = self.cycle, Answering(self, self._scope(version), keep_alive)
        if before is None or before.response_complete:
            self._start(self.cycle)
        else:
            self.flow.pause_reading()
            self._waiting.appendleft(self.cycle)
        self.headers = []  # for trailers, which say nothing here: the head was judged
        if upgrades:  # we do not, and the parser reads no more
            self._end()
        self._clients.sending.expect(self)

    def _scope(self, version: str) -> HTTPScope:
        target = httptools.parse_url(self.url)
        path = target.path.decode("ascii")
        return {
            "type": "http",
            "asgi": ASGI,
            "extensions": OFFERED,
            "http_version": version,
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme or "",
            "method": self.parser.get_method().decode("ascii"),
            "root_path": "",
            "path": unquote(path) if "%" in path else path,
            "raw_path": target.path,
            "query_string": target.query or b"",
            "headers": self.headers,
            "state": self.app_state.copy(),
        }

    def on_body(self, body: bytes) -> None:
        """A piece of a body, of any size."""
        self.cycle.takes(body)
        self._overhead = 0
        self._piece += len(body)
        if self._piece >= SMALLEST_PIECE:
            self._piece = 0
            self._clients.sending.expect(self)

    def on_message_complete(self) -> None:
        """A whole request. It may have been refused before it was read."""
        if not self.cycle.response_complete:
            self.cycle.has_all()
            self._clients.sending.release(self)

    def on_response_complete(self) -> None:
        """A whole answer."""
        if not self.transport.is_closing():
            self.flow.resume_reading()
            if self._waiting:
                self._start(self._waiting.pop())
        self._taking.begins()
        if not self._has_all_of_a_request():
            self._clients.sending.expect(self)

    def pause_writing(self) -> None:
        """More of an answer waits for the client than is to be kept in memory."""
        super().pause_writing()
        self._taking.begins()
        self._taking.idle_seconds()
        self._clients.taking.expect(self)

    def resume_writing(self) -> None:
        """The client has taken most of it, or has gone."""
        super().resume_writing()
        self._clients.taking.release(self)

    def look_what_it_takes(self) -> None:
        """Its client has part of an answer to take before it gets more."""
        if self._takes_on():
            self._clients.taking.expect(self)
        else:
            self._break_off()

    def let_go(self) -> None:
        """Its client has sent nothing for too long, unless it is not yet its turn to."""
        closing = self.transport.is_closing()
        if self._takes_on() or (self.flow.read_paused and not closing):
            self._clients.sending.expect(self)
        elif self._taking.has_to:
            self._break_off()
        elif not closing and (self._in_head or self._is_reading_a_body()):
            event(log, logging.INFO, "slow_client", address=self.client)
            self._refuse(408, "the request took too long to arrive")
        elif not closing and self._answering is not None:  # it has all its answers
            self.transport.close()
            self._clients.sending.expect(self)
        else:
            event(log, logging.INFO, "slow_client", address=self.client)
            self.transport.abort()

    def give_way(self) -> None:
        """Others need its place."""
        if self.transport.is_closing():  # for so long that it has become the oldest
            self.transport.abort()
        else:
            self._refuse(503, TOO_MANY, RETRY_LATER)

    def _takes_on(self) -> bool:
        """Whether an answer is not taken yet, and has been going on to be."""
        idle = self._taking.idle_seconds()
        return self._taking.has_to and idle < self._clients.answer_seconds

    def _break_off(self) -> None:
        event(log, logging.INFO, "answer_not_taken", address=self.client)
        self._taking.break_off()

    def _start(self, answering: Answering) -> None:
        self._answering = answering
        task = self.loop.create_task(answering.run_asgi(self.app))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _refuse_last(self, status: int, detail: str) -> None:
        """Refuse the request that is being read. Those before it are answered."""
        answering = self._answering
        if answering and answering is not self.cycle and self.cycle.more_body:  # it waits
            self._waiting.popleft()
            self.cycle = self._waiting[0] if self._waiting else answering
            self._clients.sending.release(self)
        if self._has_all_of_a_request():
            self._end()
        else:
            self._refuse(status, detail)

    def _end(self) -> None:
        """The last request so far was the last one: close when it is answered."""
        self._has_ended = True
        self.cycle.keep_alive = False

    def _has_all_of_a_request(self) -> bool:
        """Whether the last request has arrived and is not answered yet."""
        cycle = self.cycle
        return cycle is not None and not cycle.more_body and not cycle.response_complete

    def _is_reading_a_body(self) -> bool:
        return self.cycle is not None and self.cycle.more_body and not self.cycle.response_started

    def _is_amid_an_answer(self) -> bool:
        answering = self._answering
        return answering is not None and (
            answering.response_started and not answering.response_complete
        )

    def _refuse(self, status: int, detail: str, headers: Mapping[str, str] = NO_HEADERS) -> None:
        """Answer what no application will see, and close."""
        if self._is_amid_an_answer():  # it would be taken for a part of that
            self.transport.abort()
            return
        refusal = answer(status, detail, {**HEADERS, **headers, **LAST})
        lines = header_lines(refusal.raw_headers)
        self.transport.write(STATUS_LINE[status] + lines + b"\r\n" + bytes(refusal.body))
        self.transport.close()
        self._clients.sending.expect(self)


async def _too_many(scope: Scope, receive: Receive, send: Send) -> None:
    """The application for a connection beyond MAX_CONNECTIONS."""
    refusal = answer(503, TOO_MANY, {**RETRY_LATER, **LAST})
    await refusal(scope, receive, send)
