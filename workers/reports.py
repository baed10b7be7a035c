"""How an attempt ended is told to the queue, for sure and once."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from config.logs import event
from workers.outbox import Outbox
from workers.outcome import Ending, Outcome, StopReason
from workers.queue.broker import Broker
from workers.queue.errors import QueueError, QueueUnavailableError
from workers.queue.records import ClaimedJob, State, Verdict
from workers.retries import until_it_works

log = logging.getLogger("fasttask.worker")

# Outcomes that may wait to be handed in while more jobs are taken: over a slow link claims would
# else get ahead of them, until the leases of all that is held take too long to renew.
MOST_WAITING = 64


class Reporter:
    """Hands in outcomes. While the queue server is away they wait, in memory and on disk."""

    def __init__(self, broker: Broker, outbox: Outbox, caught_up: Callable[[], None]) -> None:
        """``caught_up`` is called when it is not behind any more."""
        self._broker = broker
        self._outbox = outbox
        self._caught_up = caught_up
        self._waiting = 0

    @property
    def is_behind(self) -> bool:
        """Whether so many outcomes wait that no more jobs should be taken."""
        return self._waiting >= MOST_WAITING

    async def report(self, job: ClaimedJob, outcome: Outcome, seconds: float) -> None:
        """Hand in an outcome, however long that takes. ``seconds`` is how long the job ran."""
        self._waiting += 1
        try:
            verdict = await self._handed_in(job, outcome)
        except QueueUnavailableError:
            verdict = await self._insist(job, outcome)
        finally:
            self._waiting -= 1
            if self._waiting == MOST_WAITING - 1:
                self._caught_up()
        _log_end(job, outcome, verdict, seconds)

    async def replay(self) -> int:
        """Hand in what an earlier process of this node could not; how many outcomes.

        One that is refused, for what somebody put under its job's names, stays for the next start.

        Raises:
            QueueUnavailableError: the queue server is away; nothing is lost.
        """
        number = 0
        for job, outcome in self._outbox.kept():
            try:
                verdict = await self._handed_in(job, outcome)
            except QueueUnavailableError:
                raise
            except QueueError as error:
                event(log, logging.ERROR, "outcome_refused", job=job.id, task=job.task, why=error)
                continue
            event(log, logging.INFO, "outcome_replayed", job=job.id, task=job.task, verdict=verdict)
            self._outbox.forget(job)
            number += 1
        return number

    async def _insist(self, job: ClaimedJob, outcome: Outcome) -> Verdict | None:
        """Keep it on the disk, and repeat until the queue server has answered."""
        kept = False

        async def keep_and_hand_in() -> Verdict | None:
            nonlocal kept
            kept = kept or await self._keep(job, outcome)
            return await self._handed_in(job, outcome)

        tell = partial(event, log, logging.WARNING, "outcome_waits", job=job.id, task=job.task)
        verdict = await until_it_works(keep_and_hand_in, QueueUnavailableError, tell)
        if kept:
            await asyncio.to_thread(self._outbox.forget, job)
        return verdict

    async def _keep(self, job: ClaimedJob, outcome: Outcome) -> bool:
        """Put an outcome on the disk; False if that failed, and it is in memory only."""
        try:
            await asyncio.to_thread(self._outbox.keep, job, outcome)
        except OSError as error:
            event(log, logging.ERROR, "outcome_not_kept", job=job.id, task=job.task, why=error)
            return False
        return True

    def _handed_in(self, job: ClaimedJob, outcome: Outcome) -> Awaitable[Verdict | None]:
        """Tell the queue how an attempt ended; its verdict, None if there is nothing to tell."""
        match outcome.ending:
            case Ending.SUCCESS:
                return self._broker.finish(job, State.SUCCESS, outcome.result)
            case Ending.UNSTARTED:
                return self._broker.release(job, begun=False)
            case Ending.CRASHED:
                return self._broker.release(job, crash=outcome.text)
            case Ending.KILLED if outcome.reason is StopReason.SHUTDOWN:
                return self._broker.release(job)
            case Ending.KILLED if outcome.reason is StopReason.LEASE_LOST:
                return _nothing()
            case Ending.KILLED if outcome.reason is StopReason.REVOKED:
                return self._broker.finish(job, State.REVOKED, outcome.result)
        readable = outcome.ending is not Ending.UNREADABLE
        return self._broker.finish(job, State.FAILURE, outcome.result, readable=readable)


async def _nothing() -> None:
    """Another attempt has taken over, and tells the queue."""


def _log_end(job: ClaimedJob, outcome: Outcome, verdict: Verdict | None, seconds: float) -> None:
    """The one line that tells how an attempt ended."""
    usual = outcome.ending in (Ending.SUCCESS, Ending.UNSTARTED) and verdict is Verdict.OK
    why = {} if outcome.ending is Ending.SUCCESS else {"why": _last_line(outcome.text)}
    event(log, logging.INFO if usual else logging.WARNING, "job_ended", job=job.id, task=job.task,
          attempt=job.attempt, ending=outcome.ending.name, verdict=verdict, seconds=seconds,
          **why)  # fmt: skip


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2][:200]
