"""What a client can do with jobs: create them, wait for them, look at them, take them back."""

import asyncio
import math
import time
import uuid
from collections.abc import Callable, Iterable

import orjson

from app.callers import Caller
from app.schemas import ConcurrencyParams
from config.random_uuid import random_uuid
from workers.queue.broker import Broker
from workers.queue.errors import QueueUnavailableError
from workers.queue.listeners import AwaitedEnd, EndOfJobs
from workers.queue.records import (
    Concurrency,
    DeadLetters,
    Idempotency,
    JobView,
    NewJob,
    Revocation,
    State,
    unknown_job,
)

REREAD_SECONDS = 5.0  # how long a waiting client trusts that it hears of the end
# How long an accepted revoke of a job that a worker has is not answered yet. A worker takes short
# jobs a moment before they begin, and hears by a message that it must not begin one any more.
CANCEL_SECONDS = 0.1

LENGTH_OF_UUID = 36


class Jobs:
    """The jobs of this cluster, as this gateway process sees them."""

    def __init__(self, broker: Broker, ends: EndOfJobs, heartbeat_seconds: float) -> None:
        self._broker = broker
        self._ends = ends
        self._shortest_expire = 3 * heartbeat_seconds
        self._running_id: str | None = None

    @property
    def running_id(self) -> str:
        """The cluster's RUNNING_ID.

        Raises:
            QueueUnavailableError: the queue server has not been reached yet.
        """
        if self._running_id is None:
            raise QueueUnavailableError("the queue server has not been reached yet")
        return self._running_id

    async def learn_running_id(self, wanted: str | None) -> bool:
        """Ask the queue server for the RUNNING_ID; one that has none gets ours, or a new one.

        Whether it is news.
        """
        before = self._running_id
        self._running_id = await self._broker.running_id(wanted, before or str(uuid.uuid4()))
        return self._running_id != before

    def order(
        self, task: str, params: bytes, owner: str, places: ConcurrencyParams | None = None,
        once: Idempotency | None = None,
    ) -> NewJob:  # fmt: skip
        """A job to create, of a checked request; ``params`` is a JSON object."""
        job_id = self._new_id()
        return NewJob(job_id, task, params, owner, self._concurrency(places), once)

    async def create(self, job: NewJob, notify: str = "") -> JobView:
        """Queue a job; when this returns it is as durable as the queue server.

        One with the idempotency key of an earlier one gives the earlier one. ``notify`` names the
        gateway that hears of its end.

        Raises:
            KeyReusedError: the earlier order was another one.
        """
        view = await self._broker.create(job, notify)
        if view is None:  # only after a call that had to be repeated: the id is new
            return await self._broker.read(job.id, notify)
        return view

    async def run(self, job: NewJob, created: Callable[[str], None]) -> JobView:
        """As :meth:`create`, then wait for the job's end, however long it takes.

        ``created`` is told the job's id before the waiting begins.
        """
        with self._ends.of(job.id) as end:
            view = await self.create(job, notify=self._ends.gateway)
            created(view.id)
            if view.id == job.id:
                return await self._wait(view, end, math.inf)
        with self._ends.of(view.id) as end:  # an earlier one: we did not listen for it
            return await self._wait(await self._read(view.id), end, math.inf)

    async def ended(self, job_id: str, caller: Caller, task: str = "") -> JobView | None:
        """As :meth:`look`, but None for a job that has not ended, or is not there."""
        if not self._is_ours(job_id):
            return self._foreign(job_id)
        view = await self._broker.result(job_id)
        return self._shown(view, caller, task) if view is not None else None

    async def look(self, job_id: str, caller: Caller, task: str = "", notify: str = "") -> JobView:
        """A job as it stands. ``task`` is what the client takes it for, if it says so.

        A job of others is unknown to ``caller``.
        """
        if not self._is_ours(job_id):
            return self._foreign(job_id)
        return self._shown(await self._broker.read(job_id, notify), caller, task)

    async def check(
        self, job_id: str, caller: Caller, wait_seconds: float, task: str = ""
    ) -> JobView:
        """As :meth:`look`: a job when it has ended, or as it is when the time is over."""
        # We listen before we ask: the message could overtake the answer.
        with self._ends.of(job_id) as end:
            view = await self.look(job_id, caller, task, self._ends.gateway)
            return await self._wait(view, end, wait_seconds)

    async def revoke(self, job_id: str, caller: Caller) -> Revocation:
        """Take a job back for good, whether it waits or runs; one of others is unknown."""
        if not self._is_ours(job_id):
            return Revocation(self._foreign(job_id))
        owner = "" if caller.sees_all else caller.name
        revocation = await self._broker.revoke(job_id, owner)
        if not _is_there(revocation.view, caller):
            return Revocation(self._unknown(job_id))
        if revocation.accepted and revocation.view.tries:
            await asyncio.sleep(CANCEL_SECONDS)
        return revocation

    async def owned_by(self, caller: Caller, job_ids: Iterable[str]) -> frozenset[str]:
        """Which of these jobs are the caller's."""
        views = await asyncio.gather(*(self._broker.read(job_id) for job_id in job_ids))
        return frozenset(view.id for view in views if caller.owns(view.owner))

    async def dead_letters(self, limit: int) -> DeadLetters:
        """The latest jobs that could not be run, ``limit`` at most."""
        return await self._broker.dead_letters(limit)

    async def replay(self, letter_id: str) -> JobView | None:
        """Queue a new job with the parameters of a dead letter; None if there is no such letter.

        Raises:
            UnreadableLetterError: its parameters are not what can be run.
        """
        return await self._broker.replay(letter_id, self._new_id())

    def _is_ours(self, job_id: str) -> bool:
        return job_id.startswith(f"{self.running_id}-")

    def _foreign(self, job_id: str) -> JobView:
        return _failure(job_id, f"{job_id} is not of this RUNNING_ID={self.running_id}")

    def _shown(self, view: JobView, caller: Caller, task: str) -> JobView:
        """What ``caller`` gets to see of a job that he takes for one of ``task``."""
        if not _is_there(view, caller):
            return self._unknown(view.id)
        if task and view.task not in (task, None):
            return _failure(view.id, f"job {view.id} is not one of {task}")
        return view

    def _unknown(self, job_id: str) -> JobView:
        """What is said of a job that is not there for whoever asks.

        More than a uuid behind our RUNNING_ID may belong to a longer one that begins like ours.
        Only a job that is there can be told from such: arq clients choose ids as they like.
        """
        if len(job_id) == len(self.running_id) + 1 + LENGTH_OF_UUID:
            return unknown_job(job_id)
        text = f"no job {job_id} of this RUNNING_ID={self.running_id}, or its result has expired"
        return _failure(job_id, text)

    def _new_id(self) -> str:
        return f"{self.running_id}-{random_uuid()}"

    def _concurrency(self, params: ConcurrencyParams | None) -> Concurrency | None:
        """A place shorter than a few heartbeats would lapse under a job that is alive."""
        if params is None:
            return None
        expire = max(params.expire, self._shortest_expire)
        return Concurrency(
            params.concurrency_key,
            params.max_concurrency,
            int(params.countdown * 1000),
            int(expire * 1000),
        )

    async def _wait(self, view: JobView, end: AwaitedEnd, seconds: float) -> JobView:
        """The job when it has ended, or as it is after ``seconds``."""
        deadline = time.monotonic() + seconds
        while not view.is_final and (left := deadline - time.monotonic()) > 0:
            view = await end.within(min(left, REREAD_SECONDS)) or await self._read(view.id)
        return view

    async def _read(self, job_id: str) -> JobView:
        """A job as it stands, of whose end we will be told."""
        return await self._broker.read(job_id, self._ends.gateway)


def _is_there(view: JobView, caller: Caller) -> bool:
    """Whether the job exists, and does so as far as ``caller`` is concerned."""
    return view.known and caller.owns(view.owner)


def _failure(job_id: str, text: str) -> JobView:
    return JobView(job_id, State.FAILURE, orjson.dumps(text), known=False)
