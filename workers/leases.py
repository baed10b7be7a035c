"""The leases of the jobs that a worker holds: renewed at every heartbeat, given up when lost."""

import asyncio
import logging
import time

from redis.exceptions import RedisError

from config.logs import event
from config.settings import Settings
from workers.first_of import first_of
from workers.outcome import StopReason
from workers.queue.broker import Broker
from workers.queue.errors import QueueError
from workers.queue.records import ClaimedJob, Lease
from workers.slots import SlotPool

log = logging.getLogger("fasttask.worker")

STOP_REASONS = {Lease.ABORT: StopReason.REVOKED, Lease.LOST: StopReason.LEASE_LOST}


class Leases:
    """What a worker holds, by token and not by id: after an outage two attempts may meet here."""

    def __init__(self, broker: Broker, slots: SlotPool, settings: Settings) -> None:
        self.held: dict[str, ClaimedJob] = {}
        self._broker = broker
        self._slots = slots
        self._settings = settings
        self._renewed_at = time.monotonic()
        self._beat_now = asyncio.Event()
        self._told: list[bytes | None] | None = None  # while a claim is under way

    async def keep(self) -> None:
        """Renew all leases at every heartbeat, for as long as the worker lives."""
        while True:
            pause = self._settings.heartbeat_seconds
            try:
                await self.renew()
            except (QueueError, RedisError, OSError) as error:
                event(log, logging.WARNING, "leases_not_renewed", why=error)
                pause = min(pause, 1.0)
            await first_of(self._beat_now.wait(), asyncio.sleep(pause))
            self._beat_now.clear()

    async def renew(self) -> None:
        """Renew all leases, and stop what is not ours any more."""
        began = time.monotonic()
        held = list(self.held.values())
        leases = await self._broker.renew(held, self._settings.visibility_timeout)
        self._renewed_at = began
        for job, lease in zip(held, leases, strict=True):
            # A job that has just ended has no lease either, but then nothing runs any more.
            if lease is not Lease.OK and self._slots.stop(job.token, STOP_REASONS[lease]):
                event(log, logging.WARNING, "lease_not_renewed", job=job.id, task=job.task,
                      answer=lease)  # fmt: skip

    async def renew_if_late(self) -> None:
        """Before a claim: or the worker might be given what it is running already."""
        late = time.monotonic() - self._renewed_at > self._settings.lease_seconds / 2
        if self.held and (late or self._renewed_at < self._broker.clock_jumped_at):
            await self.renew()

    def expect(self) -> None:
        """A claim is sent. What is told from now on may be of a job that its answer brings."""
        self._told = []

    def take(self, jobs: list[ClaimedJob]) -> None:
        """Hold what a claim has brought, but stop what was revoked while its answer was coming."""
        self.held.update((job.token, job) for job in jobs)
        told, self._told = self._told or [], None
        for job_id in told:
            self.cancel(job_id)

    def cancel(self, job_id: bytes | None) -> None:
        """Stop a job that was revoked. None: a message may have been lost, the leases tell."""
        if self._told is not None:
            self._told.append(job_id)
        if job_id is None:
            self._beat_now.set()
            return
        for job in self.held.values():
            if job.id.encode() == job_id:
                self._slots.stop(job.token, StopReason.REVOKED)

    def stop_all(self) -> None:
        """Stop all jobs, to be handed back."""
        for token in self.held:
            self._slots.stop(token, StopReason.SHUTDOWN)
