"""A request that is being answered: what the application is given of it, and what it says.

uvicorn's own way looks at each header of an answer and takes head and body apart. It is left to the
unusual answers: long ones in pieces, those to HEAD, the last one of a connection.
"""

import asyncio
import logging
from typing import Any

from fastapi import Response
from starlette.types import Message
from uvicorn._types import HTTPScope
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from app.errors import cut_short, failed
from app.whole_answers import WHOLE

Headers = list[tuple[bytes, bytes]]


class Answering(RequestResponseCycle):
    """One request and its answer."""

    # What most requests never set is found here: to set it for each takes longer.
    disconnected = response_started = response_complete = access_log = False
    more_body = True
    chunked_encoding = None
    expected_content_length = 0
    logger = access_logger = logging.getLogger("uvicorn.error")

    def __init__(self, connection: HttpToolsProtocol, scope: HTTPScope, keep_alive: bool) -> None:
        """Its head has come. ``keep_alive``: whether the client asks for more after it."""
        self.scope = scope
        self.transport, self.flow = connection.transport, connection.flow
        self.default_headers = connection.server_state.default_headers
        self.on_response = connection.on_response_complete
        self.keep_alive = keep_alive
        self.waiting_for_100_continue = connection.expect_100_continue
        self.message_event = asyncio.Event()
        self.body = bytearray()

    def takes(self, piece: bytes) -> None:
        """A piece of its body has come."""
        if self.response_complete:
            return
        self.body += piece
        if len(self.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        self.message_event.set()

    def has_all(self) -> None:
        """All of it has come."""
        self.more_body = False
        self.message_event.set()

    async def run_asgi(self, app: Any) -> None:
        """Have ``app`` answer, and answer in its place if it does not."""
        try:
            await app(self.scope, self.receive, self.send)
        except asyncio.CancelledError:  # this process ends
            await self._answer_instead(cut_short())
        except Exception:
            self.logger.exception("Exception in ASGI application")
            await self._answer_instead(failed())
        else:
            if not self.response_complete and not self.disconnected:
                self.logger.error("ASGI callable returned without completing its response.")
                await self._answer_instead(failed())
        finally:
            self.on_response = _nothing

    async def _answer_instead(self, refusal: Response) -> None:
        """Say what is to be said, or break the answer off if it has begun."""
        if self.response_started:
            self.transport.close()
        else:
            scope: Any = self.scope
            await refusal(scope, self.receive, self.send)  # type: ignore[arg-type]

    async def send(self, message: Message) -> None:  # type: ignore[override]  # it knows no others
        """ASGI's send."""
        if message["type"] != WHOLE:
            await super().send(message)  # type: ignore[arg-type]
            return
        # Answers that are ready now go out together. Each sent for itself would wake its client,
        # which often takes the core from who has the next one ready.
        await asyncio.sleep(0)
        if self._is_as_usual():
            self._write(message)
        else:
            for part in ("http.response.start", "http.response.body"):
                await super().send({**message, "type": part})  # type: ignore[arg-type]

    def _is_as_usual(self) -> bool:
        """Whether the client takes what it is sent, all of it, and goes on afterwards."""
        takes_it = not (self.disconnected or self.flow.write_paused)
        return takes_it and self.keep_alive and self.scope["method"] != "HEAD"

    def _write(self, message: Message) -> None:
        usual, own = _lines_of_all(self.default_headers), header_lines(message["headers"])
        head = STATUS_LINE[message["status"]]
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.transport.write(b"%b%b%b\r\n%b" % (head, usual, own, message["body"]))
        self.message_event.set()
        self.on_response()


def _nothing() -> None:
    """In place of the connection, which a request that is over shall not keep in memory."""


class _LinesOfAll:
    """The lines of the headers that all answers have. They are new each second, with the date."""

    def __init__(self) -> None:
        self._headers: Headers = []
        self._text = b""

    def __call__(self, headers: Headers) -> bytes:
        if headers is not self._headers:
            self._headers, self._text = headers, header_lines(headers)
        return self._text


_lines_of_all = _LinesOfAll()


def header_lines(headers: Headers) -> bytes:
    """Headers as they are sent; raises ValueError if one would become two."""
    lines = b"".join([b"%b: %b\r\n" % header for header in headers])
    if not lines.count(b"\r") == lines.count(b"\n") == len(headers):
        raise ValueError("a header with a line break")
    return lines
