"""How processes that share a listening socket share its connections.

An event loop's own server takes all connections that wait whenever it is woken, so of clients that
come together one process may get nearly all, and the others stay idle as long as those clients
stay. This one takes a connection at a time: whoever is less busy is back for the next one sooner.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Any

import uvloop

from config.logs import event

log = logging.getLogger("fasttask.app")

# Seconds, for TLS. How long is right, `Connection.let_go` knows.
LONGEST_CLOSING = 24 * 3600.0
PAUSE_SECONDS = 1.0  # when no connection can be taken, such as for want of file descriptors


class FairServer:
    """Serves what comes to a listening socket that other processes serve too.

    Of asyncio's servers it has what is needed to close it.
    """

    def __init__(
        self, listening: socket.socket, protocol: Callable[[], asyncio.Protocol], **options: Any
    ) -> None:
        """``options`` are those of loop.connect_accepted_socket: TLS."""
        self._listening = listening
        self._protocol = protocol
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._handshakes: set[asyncio.Task[None]] = set()
        listening.setblocking(False)
        self._resume()

    def close(self) -> None:
        """Take no more connections. Those there are go on."""
        if self.is_serving():
            self._loop.remove_reader(self._listening.fileno())
            self._listening.close()

    def is_serving(self) -> bool:
        """Whether it was not closed."""
        return self._listening.fileno() >= 0

    async def wait_closed(self) -> None:
        """Wait until nothing is left to do; the connections are not its business."""
        await asyncio.gather(*self._handshakes, return_exceptions=True)

    def _resume(self) -> None:
        if self.is_serving():
            self._loop.add_reader(self._listening.fileno(), self._accept)

    def _accept(self) -> None:
        try:
            connection, _ = self._listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):  # another one has it
            return
        except OSError as error:
            event(log, logging.ERROR, "cannot_accept", why=error)
            self._loop.remove_reader(self._listening.fileno())
            self._loop.call_later(PAUSE_SECONDS, self._resume)
            return
        handshake = self._loop.create_task(self._welcome(connection))
        self._handshakes.add(handshake)
        handshake.add_done_callback(self._handshakes.discard)

    async def _welcome(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        with contextlib.suppress(OSError):  # the client broke off, or does not speak TLS
            await self._loop.connect_accepted_socket(self._protocol, connection, **self._options)


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
        if ssl is None:
            return FairServer(sock, protocol)
        return FairServer(
            sock, protocol, ssl=ssl,
            ssl_handshake_timeout=self._handshake_seconds, ssl_shutdown_timeout=LONGEST_CLOSING,
        )  # fmt: skip
