"""The worker: claims jobs, runs them in slots, hands in their outcomes, keeps their leases.

A subclass of ``arq.Worker``: arq's registry of functions, its signals, hooks, counters and the way
it starts and closes are kept. How jobs are claimed, renewed and finished is ours, because arq's own
way cannot keep the promise: a dead worker's job would wait for its timeout, and a frozen one would
overwrite the result of its successor.
"""

import asyncio
import contextlib
import itertools
import logging
import secrets
import socket
import time
from functools import partial
from signal import Signals
from typing import Any, cast

import arq
from arq.typing import WorkerCoroutine
from arq.worker import func
from redis.exceptions import RedisError

from config.logs import event
from config.settings import Settings
from workers.first_of import first_of
from workers.fork_client import ForkClient, plan_of
from workers.identity import worker_name
from workers.leases import Leases
from workers.outbox import Outbox
from workers.outcome import Ending, Outcome
from workers.presence import ActiveJob, Presence
from workers.queue import keys
from workers.queue.broker import Broker
from workers.queue.connection import connect, shown_address
from workers.queue.errors import QueueError, QueueUnavailableError
from workers.queue.listeners import Subscription, reconnect_delays
from workers.queue.records import Claim, ClaimedJob
from workers.reports import Reporter
from workers.retries import until_it_works
from workers.slots import Slot, SlotPool

log = logging.getLogger("fasttask.worker")

POLL_SECONDS = 1.0  # how long an idle worker trusts that it is woken up
MOST_CLAIMED = 32  # jobs at once: their data has to cross a slow link in the time of an answer
PRESENCE_SECONDS = 1.0  # how soon its presence shows what it has begun to run
PRESENCE_BEATS = 3  # heartbeats that a presence outlasts
STUCK_SECONDS = 60.0  # how long a worker with free slots may go without trying to claim
FAREWELL_SECONDS = 5.0  # how long a worker that ends tries to hand in outcomes


class StuckError(Exception):
    """The worker lives but takes no jobs; the message says since when."""


class Worker(arq.Worker):
    """Runs the tasks in effect on this node until it is told to stop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._redis = connect(settings)
        super().__init__(
            functions=[
                func(cast(WorkerCoroutine, self._run_in_slot), name=task)
                for task in settings.loaded_tasks
            ],
            redis_pool=self._redis,
            queue_name=keys.queue(settings.loaded_tasks[0]),
            max_jobs=settings.worker_concurrency,
            job_timeout=settings.time_limit,
            keep_result=settings.result_expires,
            poll_delay=POLL_SECONDS,
            health_check_interval=settings.heartbeat_seconds,
        )
        self.name = worker_name(settings)
        self.broker = Broker(
            self._redis,
            result_expires=settings.result_expires,
            lease=settings.lease_seconds,
            over_network=not settings.has_queue_server,
        )
        self._forks = ForkClient(plan_of(settings))
        self._slots = SlotPool([self._new_slot() for _ in range(settings.worker_concurrency)])
        self._presence = Presence(
            self.name, socket.gethostname(), settings.worker_concurrency, settings.loaded_tasks
        )
        self._leases = Leases(self.broker, self._slots, settings)
        outbox = Outbox(settings.fasttask_files_dir / "outcomes")
        self._reporter = Reporter(self.broker, outbox, self._caught_up)
        self._active: dict[str, ActiveJob] = {}
        self._stopping = asyncio.Event()
        self._tried_to_claim = time.monotonic()
        self._nonce = secrets.token_hex(4)
        self._claims = itertools.count()
        self._lost_claim: str | None = None

    def _new_slot(self) -> Slot:
        settings = self._settings
        return Slot(self._forks, settings.time_limit, settings.worker_jobs_per_child)

    # ---- life -------------------------------------------------------------------------------

    async def main(self) -> None:
        """Work until told to stop, then let running jobs end or hand them back.

        Raises:
            ForkServerError: a task file cannot be loaded.
        """
        await self._forks.start()
        await self._slots.start()
        await self._reach_queue()
        if self.on_startup:
            await self.on_startup(self.ctx)
        taking = asyncio.create_task(self._take_jobs())
        keepers = [
            asyncio.create_task(duty())
            for duty in (
                self._leases.keep,
                self._keep_presence,
                self._hear_cancellations,
                self._watch_itself,
            )
        ]
        event(log, logging.INFO, "worker_ready", name=self.name,
              tasks=",".join(self.functions), slots=self.max_jobs)  # fmt: skip
        grace = 0.0  # after a failure
        try:
            await first_of(self._stopping.wait(), taking, *keepers)
            grace = self._settings.grace_seconds
        finally:
            await self._say_farewell(taking, grace)
            for keeper in (taking, *keepers):
                keeper.cancel()
            self._slots.close()
            self._forks.close()
        await self._forks.wait_closed()

    def handle_sig(self, signum: Signals) -> None:
        """Stop gracefully; a signal while stopping changes nothing."""
        if not self._stopping.is_set():
            event(log, logging.INFO, "worker_stops", signal=Signals(signum).name,
                  running=len(self._leases.held))  # fmt: skip
        self._stopping.set()
        self._slots.freed.set()

    async def close(self) -> None:
        """Leave the queue server; it may be away already."""
        try:
            await self.broker.announce(self.name, {}, 0)
            await super().close()
        except (QueueError, RedisError, OSError) as error:
            event(log, logging.INFO, "left_without_goodbye", why=error)

    async def _reach_queue(self) -> None:
        """Wait for the queue server, for ever if need be, then take back what was lost here."""
        for delay in reconnect_delays():
            try:
                replayed = await self._reporter.replay()
                recovered = await self.broker.recover(self.name, list(self.functions))
                await self.heart_beat()
            except QueueError as error:
                event(log, logging.WARNING, "queue_server_away",
                      address=shown_address(self._settings), why=error)  # fmt: skip
            else:
                event(log, logging.INFO, "queue_server_reached",
                      address=shown_address(self._settings), recovered=recovered,
                      replayed=replayed)  # fmt: skip
                return
            if self._stopping.is_set():
                return
            await asyncio.sleep(delay)

    async def _say_farewell(self, taking: asyncio.Task[None], grace: float) -> None:
        """Give running jobs their grace, hand back the rest, and let every outcome get through."""
        end_of_grace = time.monotonic() + grace
        self._stopping.set()
        self._slots.freed.set()
        self.broker.break_off_claim()
        await asyncio.wait({taking}, timeout=FAREWELL_SECONDS / 2)  # it may be what is stuck
        self._slots.give_back()  # what was taken ahead
        left = end_of_grace - time.monotonic()
        await self._wait_for_jobs(max(0.0, left))
        self._leases.stop_all()
        await self._wait_for_jobs(FAREWELL_SECONDS + min(0.0, left))
        for job in self._leases.held.values():
            event(log, logging.WARNING, "job_left_to_its_lease", job=job.id, task=job.task)
        abandoned = list(self.tasks.values())
        for running in abandoned:
            running.cancel()
        await asyncio.gather(*abandoned, return_exceptions=True)

    async def _wait_for_jobs(self, seconds: float) -> None:
        if self.tasks:
            await asyncio.wait(set(self.tasks.values()), timeout=seconds)

    # ---- taking jobs ------------------------------------------------------------------------

    async def _take_jobs(self) -> None:
        """Claim jobs until told to stop; then nothing is claimed that nobody would run."""
        await self._claim_again_and_again()
        with contextlib.suppress(QueueError):  # then it comes back with its lease
            await self._undo_lost_claim()

    async def _claim_again_and_again(self) -> None:
        delays, patience = reconnect_delays(), 0.0
        while not self._stopping.is_set():
            self._slots.freed.clear()
            if not self._slots.wants_jobs or self._reporter.is_behind:
                # Waited for by itself, so that the claim crosses the link together with the outcome
                # of the job that freed the slot; a stop frees it as well.
                await self._slots.freed.wait()
                continue
            self._tried_to_claim = time.monotonic()
            try:
                # The server itself waits for work where there is none.
                patience = 0.0 if await self._claim(patience) else POLL_SECONDS
                delays = reconnect_delays()
            except QueueError as error:
                if self._stopping.is_set():
                    return
                patience = 0.0
                event(log, logging.WARNING, "cannot_claim", why=error)
                await first_of(asyncio.sleep(next(delays)), self._stopping.wait())

    def _caught_up(self) -> None:
        """No more outcomes wait than should."""
        self._tried_to_claim = time.monotonic()  # as well as it could
        self._slots.freed.set()

    async def _claim(self, patience: float) -> bool:
        """Claim jobs and start them; whether there were as many as wanted."""
        await self._leases.renew_if_late()
        wanted = min(self._slots.room, MOST_CLAIMED)
        ahead = wanted - min(wanted, max(0, self._slots.free))
        claim = await self._claimed(wanted, ahead, patience)
        for buried in claim.buried:
            event(log, logging.ERROR, "job_buried", job=buried.id, task=buried.task,
                  state=buried.state)  # fmt: skip
        for job in claim.jobs:
            self._slots.promise(job.token)
            self.tasks[job.token] = asyncio.create_task(self._perform(job))
        self._leases.take(claim.jobs)
        return len(claim.jobs) >= wanted

    async def _claimed(self, wanted: int, ahead: int, patience: float) -> Claim:
        await self._undo_lost_claim()
        if self._stopping.is_set():  # since then
            return Claim([], [])
        self._lost_claim = f"{self._nonce}{next(self._claims):x}"
        self._leases.expect()
        claim = await self.broker.claim(
            self.name, wanted, list(self.functions), self._lost_claim, ahead, patience
        )
        self._lost_claim = None
        return claim

    async def _undo_lost_claim(self) -> None:
        """Undo a claim whose answer was lost: nobody runs what it took."""
        if self._lost_claim is not None:
            await self.broker.unclaim(self.name, self._lost_claim, list(self.functions))
            self._lost_claim = None

    async def _watch_itself(self) -> None:
        """End this process, for the supervisor to start anew, if it has stopped taking jobs.

        Nothing is known to cause that; should it happen, work would wait for ever beside a worker
        that looks alive.
        """
        suspected: float | None = None
        while True:
            await asyncio.sleep(STUCK_SECONDS / 3)
            last_try = self._tried_to_claim
            silent = time.monotonic() - last_try
            may_claim = self._slots.free > 0 and not self._reporter.is_behind
            seems_stuck = may_claim and silent > STUCK_SECONDS and not self._stopping.is_set()
            # At the first look it may just be about to try: a slot is free since this moment, or
            # the whole process was frozen.
            if seems_stuck and suspected == last_try:
                raise StuckError(f"slots are free, but nothing was claimed for {silent:.0f} s")
            suspected = last_try if seems_stuck else None

    # ---- running one job --------------------------------------------------------------------

    async def _perform(self, job: ClaimedJob) -> None:
        """Run a claimed job and hand in its outcome."""
        self._active[job.token] = ActiveJob(job.id, job.task)
        began = time.monotonic()
        try:
            outcome = await self.functions[job.task].coroutine(self.ctx, job)
            self._count(outcome)
            await self._reporter.report(job, outcome, time.monotonic() - began)
        except Exception:
            # Its lease runs out now, and whoever claims it next counts a crash.
            log.exception("job_abandoned job=%s task=%s", job.id, job.task)
        finally:
            del self._leases.held[job.token], self._active[job.token], self.tasks[job.token]

    async def _run_in_slot(self, _ctx: dict[Any, Any], job: ClaimedJob) -> Outcome:
        """What arq's registry holds for each task."""
        try:
            whole = await self._with_data(job) if job.bytes_to_fetch else job
        except BaseException:
            self._slots.take_promise_back(job.token)
            raise
        return await self._slots.run(whole)

    async def _with_data(self, job: ClaimedJob) -> ClaimedJob:
        """The job with its data, which was too large to come along."""
        tell = partial(event, log, logging.WARNING, "job_not_fetched", job=job.id, task=job.task)
        fetch = partial(self.broker.with_data, job)
        return await until_it_works(fetch, QueueUnavailableError, tell)

    def _count(self, outcome: Outcome) -> None:
        """Keep arq's own counters."""
        if outcome.ending is Ending.UNSTARTED:
            return
        succeeded = outcome.ending is Ending.SUCCESS
        self.jobs_complete += succeeded
        self.jobs_failed += not succeeded

    # ---- being seen -------------------------------------------------------------------------

    async def _keep_presence(self) -> None:
        """Announce this worker at every heartbeat, and soon after it began or ended a job."""
        announced: tuple[float, list[str]] = (0.0, [])
        while True:
            await asyncio.sleep(min(PRESENCE_SECONDS, self._settings.heartbeat_seconds))
            self._tell_of_long_jobs()
            now, running = time.monotonic(), sorted(self._active)
            if now - announced[0] < self._settings.heartbeat_seconds and running == announced[1]:
                continue
            try:
                await self.heart_beat()
                announced = now, running
            except (QueueError, RedisError, OSError) as error:
                event(log, logging.WARNING, "presence_unheard", why=error)

    def _tell_of_long_jobs(self) -> None:
        """A line that a job runs, once it is clear that its end will not tell so soon."""
        for job in self._active.values():
            if not job.told and (seconds := time.time() - job.started) > PRESENCE_SECONDS:
                event(log, logging.INFO, "job_runs", job=job.id, task=job.task, seconds=seconds)
                job.told = True

    async def record_health(self) -> None:
        """Part of arq's heartbeat: say that this worker is there and what it does."""
        presence = self._presence.now(list(self._active.values()), self._slots.children)
        lasting = PRESENCE_BEATS * self._settings.heartbeat_seconds
        await self.broker.announce(self.name, presence, lasting)

    async def _hear_cancellations(self) -> None:
        await Subscription(self._redis, keys.cancel(self.name)).listen(self._leases.cancel)
