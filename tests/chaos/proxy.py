"""A TCP port that leads to the queue server, as well or as badly as it is told."""

import asyncio
import contextlib
import random
from collections.abc import Callable
from pathlib import Path

import hiredis

HOST = "127.0.0.1"
CHUNK = 64 * 1024
FIRST_RETRANSMISSION = 0.2  # seconds; Linux's least RTO, doubled at each further loss


class Proxy:
    """One worker's link to the queue server. Nothing is ever reordered: TCP would not either."""

    def __init__(self, server: Path, dice: random.Random, host: str = HOST) -> None:
        """``server`` is the queue server's unix socket."""
        self.delay = 0.0  #: seconds that each chunk takes
        self.jitter = 0.0  #: seconds more or less
        self.loss = 0.0  #: share of chunks that are sent again after a timeout
        self.bytes_per_second = 0.0  #: 0: as fast as it can
        self.on_command: Callable[[list[bytes]], None] = lambda _: None  #: after it has passed
        self._server_socket, self._dice, self._host = server, dice, host
        self._connections: set[_Connection] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._carries = asyncio.Event()
        self._carries.set()
        self._refuses = False
        self._listener: asyncio.Server | None = None

    async def start(self) -> "Proxy":
        """Listen."""
        self._listener = await asyncio.start_server(self._serve, self._host, 0)
        return self

    @property
    def url(self) -> str:
        """For TASK_QUEUE_URL."""
        assert self._listener is not None
        return f"redis://{self._host}:{self._listener.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        """Close every connection and refuse new ones."""
        self._refuses = True
        for connection in self._connections:
            connection.close()

    def black_hole(self) -> None:
        """Carry nothing, but keep every connection open: what was sent arrives afterwards."""
        self._carries.clear()

    def heal(self) -> None:
        """Carry everything again."""
        self._refuses = False
        self._carries.set()

    def half_open(self) -> None:
        """Forget the connections there are without a word to the worker; new ones work."""
        for connection in self._connections:
            connection.forget()

    async def close(self) -> None:
        """Stop listening and close all."""
        self.heal()
        self.cut()
        if self._listener is not None:
            self._listener.close()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            writer.close()
            return
        serving = asyncio.current_task()
        assert serving is not None
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)
        with contextlib.suppress(OSError):
            up_reader, up_writer = await asyncio.open_unix_connection(self._server_socket)
            connection = _Connection(writer, up_writer)
            self._connections.add(connection)
            commands = hiredis.Reader()
            up = asyncio.create_task(self._carry(reader, up_writer, connection, commands))
            down = asyncio.create_task(self._carry(up_reader, writer, connection, None))
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            await connection.remembered.wait()
            for one in (up, down):
                one.cancel()
            connection.close()
            self._connections.discard(connection)
            return
        writer.close()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter,
        connection: "_Connection", commands: hiredis.Reader | None,
    ) -> None:  # fmt: skip
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK):
                await self._carries.wait()
                await asyncio.sleep(self._time_for(chunk))
                await connection.remembered.wait()
                writer.write(chunk)
                await writer.drain()
                if commands is not None:
                    self._tell(commands, chunk)

    def _time_for(self, chunk: bytes) -> float:
        seconds = max(0.0, self.delay + self._dice.uniform(-self.jitter, self.jitter))
        if self.bytes_per_second:
            seconds += len(chunk) / self.bytes_per_second
        wait = FIRST_RETRANSMISSION
        while self._dice.random() < self.loss:
            seconds, wait = seconds + wait, wait * 2
        return seconds

    def _tell(self, commands: hiredis.Reader, chunk: bytes) -> None:
        commands.feed(chunk)
        while (command := commands.gets()) is not False:
            self.on_command(command)


class _Connection:
    """Both sides of one connection through the proxy."""

    def __init__(self, down: asyncio.StreamWriter, up: asyncio.StreamWriter) -> None:
        self._down, self._up = down, up
        self.remembered = asyncio.Event()
        self.remembered.set()

    def forget(self) -> None:
        """Close the server's side; the worker's stays open and is silent from now on."""
        self.remembered.clear()
        self._up.close()

    def close(self) -> None:
        """Close both sides."""
        self.remembered.set()
        self._up.close()
        self._down.close()
