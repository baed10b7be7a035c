"""Runs scripts: many callers, one pipeline at a time, no reply ever mixed up.

Calls that arrive while a pipeline is on its way wait and go together in the next one, those of a
script that takes many as one command. A single call leaves after a few looks whether others are
about to come, and under load the cost of a round trip is shared (group commit). The pipeline
belongs to a task of its own: a caller that is cancelled just stops listening, which matters because
redis-py would hand the late reply of a cancelled call to somebody else.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from arq.connections import ArqRedis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from workers.queue.connection import ANSWER_TIMEOUT, LARGE_BYTES, patient_twin
from workers.queue.errors import QueueError, QueueFullError, QueueUnavailableError
from workers.queue.scripts import LIBRARY, Plain, Script
from workers.queue.wire import Argument, Packed, Wire, command, packed

# A server that has just answered is busy rather than away. What it was sent it will carry out, so
# that is waited for at least so long, however late it was sent.
SENT_SECONDS = 1.0
# Under load calls come a few passes of the event loop apart. Three passes in which none came take
# 10 us; whoever sleeps for so long gives the core away.
QUIET_PASSES = 3
LARGEST_PIPELINE = 128  # calls
LARGEST_EXCHANGE = 16 * 1024  # bytes, or a single call: over 64 kbit/s these take half of the time
LARGEST_BUNDLE = 32  # calls in one command: the server does nothing else for about so many 50 us

# How a server begins its answer when it takes no writes for now, and what that means for us. The
# redis library has classes of its own for some, and takes the first word off their messages.
FULL = ("OOM", "MISCONF")
BUSY = ("LOADING", "BUSY", "READONLY", "MASTERDOWN", "TRYAGAIN", "NOREPLICAS")
DEMOTED = ("READONLY", "MASTERDOWN")  # it is a replica: its address may lead to another by now


@dataclass(slots=True)
class _Call:
    script: Script | Plain
    arguments: Packed
    reply: asyncio.Future[Any]
    deadline: float  #: by the monotonic clock
    patience: float  #: seconds that the server may wait before it answers

    @property
    def size(self) -> int:
        """What it takes on the wire, in bytes."""
        return len(self.arguments.data)


_Bundle = list[_Call]  # calls of one script that go as one command


class ScriptRunner:
    """Sends script calls to the queue server over ``redis``.

    A ``patient`` one, for a link that may be slow, lets large calls take their time, each on a
    connection of its own.
    """

    def __init__(self, redis: ArqRedis, *, patient: bool = False) -> None:
        self._redis = redis
        self._wire = Wire(redis, ANSWER_TIMEOUT)
        self._patient = patient
        self._alone: set[asyncio.Task[None]] = set()
        self._waiting: deque[_Call] = deque()
        self._under_way: list[_Call] = []
        self._sender: asyncio.Task[None] | None = None
        self._watcher: asyncio.TimerHandle | None = None
        self._is_answering = False
        self._out_of_reach_at = -math.inf

    def seconds_in_reach(self) -> float:
        """How long the server has been answering; infinite if it always did."""
        return time.monotonic() - self._out_of_reach_at

    def call(self, script: Script | Plain, *arguments: Argument) -> asyncio.Future[Any]:
        """Run a script, or a plain command; its answer.

        Raises:
            QueueUnavailableError: no answer in time; the script may or may not have run.
            QueueFullError: the server takes no writes.
            QueueError: the server refused the call for another reason, or it cannot be sent.
        """
        return self._asked(script, arguments)

    async def call_after(
        self, waits: Plain, what: Sequence[Argument], patience: float, script: Script,
        *arguments: Argument,
    ) -> tuple[QueueError | None, Any]:  # fmt: skip
        """As :meth:`call`, but the server waits first, by a command that takes up to ``patience``.

        Both cross the link together, so that the script runs the moment the wait is over. Why it
        could not wait, if so, and the script's answer.
        """
        waited = self._asked(waits, what, patience)
        answer = self._asked(script, arguments, patience)
        both = await asyncio.gather(waited, answer, return_exceptions=True)
        why = both[0] if isinstance(both[0], QueueError) else None
        return why, await answer

    def break_off(self) -> None:
        """Have nobody wait for what is under way; it may or may not be carried out."""
        self._wire.break_off()

    def _asked(
        self, script: Script | Plain, arguments: Sequence[Argument], patience: float = 0.0
    ) -> asyncio.Future[Any]:
        """What will be the answer."""
        try:
            ready = packed(*arguments)
        except UnicodeEncodeError as error:  # alone: it must not spoil the pipeline for others
            raise translated(error, script.name) from None
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        deadline = time.monotonic() + ANSWER_TIMEOUT + patience
        call = _Call(script, ready, reply, deadline, patience)
        if self._patient and call.size > LARGE_BYTES:
            self._start_alone(call)
            return call.reply
        self._waiting.append(call)
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_all())
        if self._watcher is None:
            self._watch_in(ANSWER_TIMEOUT)
        return call.reply

    def _start_alone(self, call: _Call) -> None:
        sending = asyncio.create_task(self._send_alone(call))
        self._alone.add(sending)
        sending.add_done_callback(self._alone.discard)

    async def _send_alone(self, call: _Call) -> None:
        try:
            async with patient_twin(self._redis, call.size) as twin:
                await self._send([call], Wire(twin, None))
        except TimeoutError as error:
            text = f"{call.script.name}: {call.size} bytes: {error!r}"
            self._settle(call, QueueUnavailableError(text))

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                await self._gather()
                self._under_way = self._next_calls()
                if self._under_way:
                    await self._send(self._under_way, self._wire)
        finally:
            self._sender = None
            self._under_way = []

    async def _gather(self) -> None:
        """Let calls join that are about to come."""
        quiet = 0
        while quiet < QUIET_PASSES and len(self._waiting) < LARGEST_PIPELINE:
            before = len(self._waiting)
            await asyncio.sleep(0)
            quiet = 0 if len(self._waiting) > before else quiet + 1

    def _watch_in(self, seconds: float) -> None:
        self._watcher = asyncio.get_running_loop().call_later(seconds, self._watch)

    def _watch(self) -> None:
        """Have nobody wait beyond his deadline. An alarm for each call would cost more."""
        self._watcher = None
        now, coming = time.monotonic(), []
        for calls in (self._under_way, self._waiting):  # nearly in the order of these
            for call in calls:
                if call.deadline > now:
                    coming.append(call.deadline)
                    break
                text = f"{call.script.name}: no answer within {ANSWER_TIMEOUT} s"
                self._settle(call, QueueUnavailableError(text))
        if coming:
            self._watch_in(min(coming) - now)

    def _next_calls(self) -> list[_Call]:
        calls: list[_Call] = []
        size = 0
        while self._waiting and len(calls) < LARGEST_PIPELINE:
            size += self._waiting[0].size
            if calls and size > LARGEST_EXCHANGE:
                break
            call = self._waiting.popleft()
            if not call.reply.done():  # else nobody waits for the answer: it must not run any more
                calls.append(call)
        if self._is_answering:
            soonest = time.monotonic() + SENT_SECONDS
            for call in calls:
                call.deadline = max(call.deadline, soonest)
        return calls

    async def _send(self, calls: list[_Call], wire: Wire) -> None:
        bundles = _bundled(calls)
        try:
            patience = max(call.patience for call in calls)
            replies = await wire.exchange([_command(bundle) for bundle in bundles], patience)
            if any(map(_is_unknown, replies)):
                replies = await _load_and_repeat(bundles, replies, wire)
            self._is_answering = True
        except Exception as error:  # whatever it is, nobody may wait for ever
            self._is_answering = False
            replies = [error] * len(bundles)
        for bundle, reply in zip(bundles, replies, strict=True):
            self._settle_all(bundle, reply)
        if any(map(_is_of_demoted, replies)):
            wire.break_off()  # which connects anew for the next calls

    def _settle_all(self, bundle: _Bundle, reply: Any) -> None:
        many = bundle[0].script.one_takes and isinstance(reply, list)
        for call, answer in zip(bundle, reply if many else [reply] * len(bundle), strict=True):
            self._settle(call, answer)

    def _settle(self, call: _Call, reply: Any) -> None:
        if call.reply.done():  # the caller went away
            return
        if not isinstance(reply, Exception):
            call.reply.set_result(reply)
            return
        error = reply if isinstance(reply, QueueError) else translated(reply, call.script.name)
        if isinstance(error, QueueUnavailableError):
            self._out_of_reach_at = time.monotonic()
        call.reply.set_exception(error)


async def _load_and_repeat(bundles: list[_Bundle], replies: list[Any], wire: Wire) -> list[Any]:
    """Load the library into a server that does not have it, and run what it did not know."""
    unknown = [i for i, reply in enumerate(replies) if _is_unknown(reply)]
    [loaded] = await wire.exchange([command([packed("FUNCTION", "LOAD", LIBRARY)])])
    if isinstance(loaded, ResponseError) and "already exists" not in str(loaded):
        raise loaded  # another process may have been faster
    repeated = await wire.exchange([_command(bundles[i]) for i in unknown])
    for i, reply in zip(unknown, repeated, strict=True):
        replies[i] = reply
    return replies


def _is_unknown(reply: Any) -> bool:
    return isinstance(reply, ResponseError) and str(reply) == "ERR Function not found"


def _is_of_demoted(reply: Any) -> bool:
    return isinstance(reply, ResponseError) and str(reply).startswith(DEMOTED)


def _command(bundle: _Bundle) -> bytes:
    beginning = packed(*bundle[0].script.words)
    return command([beginning, *(call.arguments for call in bundle)])


def _bundled(calls: Iterable[_Call]) -> list[_Bundle]:
    """The commands to send: calls of a script that takes many together, the others alone."""
    bundles: list[_Bundle] = []
    growing: dict[str, _Bundle] = {}
    for call in calls:
        joins = call.script.one_takes > 0 and call.size <= LARGE_BYTES
        bundle = growing.get(call.script.name) if joins else None
        if bundle is None or len(bundle) >= LARGEST_BUNDLE:
            bundles.append(bundle := [])
        if joins:
            growing[call.script.name] = bundle
        bundle.append(call)
    return bundles


def translated(error: Exception, doing: str) -> QueueError:
    """The error of the redis library as one of ours; ``doing`` says what was tried."""
    text = f"{doing}: {type(error).__name__}: {error}"
    if isinstance(error, ResponseError):
        if isinstance(error, OutOfMemoryError) or any(word in str(error) for word in FULL):
            return QueueFullError(text)
        if isinstance(error, ReadOnlyError) or str(error).startswith(BUSY):
            return QueueUnavailableError(text)
    if isinstance(error, RedisConnectionError | RedisTimeoutError | OSError):
        return QueueUnavailableError(text)
    return QueueError(text)
