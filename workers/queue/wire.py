"""Commands go out together, and their replies come back in order.

The redis library's pipelines take a connection from the pool each time, look whether it is alive,
set a timeout for each part of the exchange and encode each argument by its type; that costs more
than four times what is left here.

On the wire a command is the number of its arguments and then each with its length in front:
https://valkey.io/topics/protocol/.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import hiredis
from arq.connections import ArqRedis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse

from workers.queue.link import Link

Argument = str | bytes | int


class Packed(NamedTuple):
    """Arguments as they go over the wire, without their number."""

    number: int
    data: bytes


class Wire:
    """One connection to the queue server, for one exchange at a time."""

    def __init__(self, redis: ArqRedis, seconds: float | None) -> None:
        """The connection is taken from the pool of ``redis`` and never given back.

        ``seconds`` bound each exchange; None for one that bounds itself.
        """
        self._seconds = seconds
        self._link = Link(redis, self._take, self._end)
        self._number = 0  # of replies to the exchange that is under way
        self._replies: list[Any] = []
        self._all: asyncio.Future[list[Any]] | None = None  # None: nothing is under way

    async def exchange(self, commands: Sequence[bytes], patience: float = 0.0) -> list[Any]:
        """The replies to ``commands``; where one is an error, a ResponseError stands in its place.

        ``patience`` are more seconds, for commands that have the server wait for something.

        Raises:
            TimeoutError: there was no answer in time.
            RedisError, OSError: there is no connection.
        """
        async with asyncio.timeout(self._seconds and self._seconds + patience):
            await self._link.open()
            self._number, self._replies = len(commands), []
            self._all = asyncio.get_running_loop().create_future()
            self._link.send(b"".join(commands))
            try:
                return await self._all
            except asyncio.CancelledError:  # what was not read must never be read by another
                self.break_off()
                raise
            finally:
                self._all = None

    def break_off(self) -> None:
        """End the exchange that is under way as a loss of the connection does."""
        self._link.close(RedisConnectionError("nobody waits for the answer any more"))

    def _take(self, reply: Any) -> None:
        if self._all is None or len(self._replies) == self._number:
            self._link.close(InvalidResponse("a reply came that was not asked for"))
            return
        self._replies.append(reply)
        if len(self._replies) == self._number and not self._all.done():
            self._all.set_result(self._replies)

    def _end(self, why: Exception) -> None:
        if self._all is not None and not self._all.done():
            self._all.set_exception(why)


def packed(*arguments: Argument) -> Packed:
    """Arguments of a command, ready to be sent.

    Raises:
        UnicodeEncodeError: a text among them cannot be.
    """
    whole: bytes = hiredis.pack_command(arguments)  # type: ignore[arg-type]  # of any length
    return Packed(len(arguments), whole[whole.index(b"\n") + 1 :])


def command(parts: Sequence[Packed]) -> bytes:
    """The command whose arguments are all those of ``parts``."""
    number = sum(part.number for part in parts)
    return b"*%d\r\n%b" % (number, b"".join([part.data for part in parts]))
