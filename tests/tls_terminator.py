"""A TLS port that leads to a server in plain text: where there is no queue server built with TLS.

For a worker it is the queue server, as real as can be: a real TLS server before a real queue
server. It runs in a thread, so that tests may wait as they like.
"""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

HOST = "127.0.0.1"
CHUNK = 64 * 1024
LOOK_AGAIN_SECONDS = 0.05


class TlsTerminator:
    """Decrypts what it is sent, writes it down, and hands it on; and the answers back."""

    def __init__(self, certificate: Path, key: Path, server_port: int) -> None:
        self.heard = bytearray()  #: decrypted, of all connections
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._server_port = server_port
        self._listening = socket.create_server((HOST, 0))
        self._open: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listening.getsockname()[1])

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(self, *_error: object) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def show(self, certificate: Path, key: Path) -> None:
        """Have another certificate from now on, as after a restart: all connections are closed."""
        self._do(self._show(certificate, key))

    def _do(self, what: Any) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(
            self._serve, sock=self._listening, ssl=self._context
        )

    async def _show(self, certificate: Path, key: Path) -> None:
        self._context.load_cert_chain(certificate, key)
        await self._hang_up()

    async def _close(self) -> None:
        self._server.close()
        await self._hang_up()

    async def _hang_up(self) -> None:
        serving = set(self._serving)
        while serving:  # one that is just being made is no open one yet
            for writer in self._open:
                writer.transport.abort()
            _, serving = await asyncio.wait(serving, timeout=LOOK_AGAIN_SECONDS)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving = asyncio.current_task()
        assert serving is not None
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)
        server_reader, server_writer = await asyncio.open_connection(HOST, self._server_port)
        pair = {writer, server_writer}
        self._open |= pair
        up = asyncio.create_task(carry(reader, server_writer, self.heard.extend))
        down = asyncio.create_task(carry(server_reader, writer, lambda _: None))
        await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        for one in pair:
            one.transport.abort()
        await asyncio.gather(up, down)
        self._open -= pair


async def carry(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, note: Callable[[bytes], None]
) -> None:
    """Hand on what comes until either side is closed."""
    with contextlib.suppress(OSError):
        while chunk := await reader.read(CHUNK):
            note(chunk)
            writer.write(chunk)
            await writer.drain()
