"""Who waits for news from the queue server: gateways for ends of jobs, workers for revokes.

News may be lost when a connection breaks, so nobody relies on it alone: a listener that had to
reconnect says so, and everybody looks for himself now and then.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, NoReturn, Self

from arq.connections import ArqRedis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from config.logs import event
from workers.queue import keys
from workers.queue.link import Link
from workers.queue.records import JobView
from workers.queue.stored_result import final_view
from workers.queue.wire import command, packed

log = logging.getLogger("fasttask.queue")

SLOWEST_RECONNECT = 5.0  # seconds
LONGEST_SILENCE = 5.0  # seconds without a message before a subscription asks whether it is alive
BETWEEN = b"\0"  # ends that are told by one message; see waking.lua


def reconnect_delays() -> Iterator[float]:
    """Seconds to wait before each next try: doubling up to a cap, with full jitter.

    After https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
    """
    delay = 0.1
    while True:
        yield random.uniform(delay / 2, delay)  # noqa: S311  spreads load, keeps no secret
        delay = min(SLOWEST_RECONNECT, delay * 2)


class Subscription:
    """Hears the messages of one channel for as long as the process lives."""

    def __init__(self, redis: ArqRedis, channel: str) -> None:
        self._channel = channel
        self.connected = asyncio.Event()
        self._link = Link(redis, self._take, self._end)
        self._heard: Callable[[bytes | None], None] = lambda _: None
        self._heard_at = 0.0  # by the monotonic clock, whatever it was
        self._lost: asyncio.Future[NoReturn] | None = None

    async def listen(self, heard: Callable[[bytes | None], None]) -> None:
        """Call ``heard`` with each message, and with None when messages may have been missed."""
        self._heard = heard
        delays = reconnect_delays()
        while True:
            try:
                await self._subscribed()
            except (RedisError, OSError) as error:
                if self.connected.is_set():
                    delays = reconnect_delays()
                self.connected.clear()
                event(log, logging.WARNING, "subscription_lost", channel=self._channel, why=error)
            await asyncio.sleep(next(delays))

    async def _subscribed(self) -> None:
        """Hear messages until the connection is lost or cannot be made, which is raised."""
        await self._link.open()
        self._lost = asyncio.get_running_loop().create_future()
        self._link.send(command([packed("SUBSCRIBE", self._channel)]))
        try:
            await self._noticed_loss(self._lost)
        finally:
            self._lost = None
            self._link.close(RedisConnectionError("nobody listens any more"))

    async def _noticed_loss(self, lost: asyncio.Future[NoReturn]) -> None:
        """Raise why the connection is lost. A silent one is asked whether it is alive."""
        self._heard_at = asked_at = time.monotonic()
        while not lost.done():
            silence = time.monotonic() - self._heard_at
            if silence < LONGEST_SILENCE:
                await asyncio.wait({lost}, timeout=LONGEST_SILENCE - silence)
            elif asked_at > self._heard_at:
                raise RedisTimeoutError(f"no answer within {LONGEST_SILENCE} s")
            else:
                self._link.send(command([packed("PING")]))
                asked_at = time.monotonic()
                await asyncio.wait({lost}, timeout=LONGEST_SILENCE)
        lost.result()

    def _take(self, reply: Any) -> None:
        self._heard_at = time.monotonic()
        match reply:
            case [b"message", _, data]:
                self._heard(data)
            case [b"subscribe", *_]:
                self.connected.set()
                self._heard(None)
            case Exception():
                self._link.close(reply)

    def _end(self, why: Exception) -> None:
        if self._lost is not None and not self._lost.done():
            self._lost.set_exception(why)


class AwaitedEnd:
    """The end of one job, which somebody waits for within a block."""

    def __init__(self, job_id: str, waiting: "dict[str, set[AwaitedEnd]]") -> None:
        """``waiting`` are all that are waited for, this one as well while the block lasts."""
        self._job_id = job_id
        self._waiting = waiting
        self._loop = asyncio.get_running_loop()
        self._news: asyncio.Future[JobView | None] = self._loop.create_future()

    def __enter__(self) -> Self:
        self._waiting.setdefault(self._job_id, set()).add(self)
        return self

    def __exit__(self, *_: object) -> None:
        waiting = self._waiting[self._job_id]
        waiting.discard(self)
        if not waiting:
            del self._waiting[self._job_id]

    async def within(self, seconds: float) -> JobView | None:
        """The job as it ended; None if that was not told, or there was no news in this time."""
        alarm = self._loop.call_later(seconds, self.tell, None)
        try:
            return await self._news
        finally:
            alarm.cancel()
            self._news = self._loop.create_future()

    def tell(self, view: JobView | None) -> None:
        """It has ended, as ``view`` if that is known, or may have ended."""
        if not self._news.done():
            self._news.set_result(view)


class EndOfJobs:
    """Tells the waiting parts of a gateway when their jobs have ended."""

    def __init__(self, redis: ArqRedis, gateway: str) -> None:
        self.gateway = gateway
        self._subscription = Subscription(redis, keys.done(gateway))
        self._waiting: dict[str, set[AwaitedEnd]] = {}

    async def listen(self) -> None:
        """Run for as long as the gateway does."""
        await self._subscription.listen(self._heard)

    def of(self, job_id: str) -> AwaitedEnd:
        """The end of a job, to be waited for in a block."""
        return AwaitedEnd(job_id, self._waiting)

    def _heard(self, message: bytes | None) -> None:
        if message is None:
            for end in chain.from_iterable(self._waiting.values()):
                end.tell(None)
            return
        for told in message.split(BETWEEN):
            job_id, view = _end_of(told)
            for end in self._waiting.get(job_id, ()):
                end.tell(view)


def _end_of(told: bytes) -> tuple[str, JobView | None]:
    """Which job is told of, and how it ended if that is said."""
    try:
        view = final_view(told)
    except (ValueError, KeyError, TypeError, AttributeError):
        return told.decode(errors="replace"), None
    return view.id, view
