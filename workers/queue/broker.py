"""The queue as the rest of FastTask sees it: one method per thing that can happen to a job."""

import contextlib
import math
import secrets
import time
from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from arq.connections import ArqRedis

from workers.queue import keys, scripts
from workers.queue.connection import LARGE_BYTES, patient_twin
from workers.queue.errors import (
    KeyReusedError,
    QueueFullError,
    TooManyWaitingError,
    UnreadableLetterError,
)
from workers.queue.records import (
    NOT_ONCE,
    VERDICTS,
    Claim,
    ClaimedJob,
    DeadLetters,
    JobView,
    Lease,
    NewJob,
    Revocation,
    State,
    Statistics,
    Verdict,
    unknown_job,
)
from workers.queue.replies import (
    claim_of,
    counters,
    difference,
    letter_of,
    new_view,
    open_view,
)
from workers.queue.runner import ScriptRunner, translated
from workers.queue.stored_result import final_view
from workers.queue.turns import Turns

CRASH_LIMIT = 3  # attempts that may end without a word before a job is given up

# Of data that come with a claim beside the queue server. All of many large jobs would not come
# within the time of an answer, however often asked for; so much takes a tenth of it.
MOST_BESIDE = 32 * 2**20  # bytes

# What we take for the server's time is late by the way of its last answer, and rounded.
CLOCK_SLACK_MS = 100

# Window of time -> the snapshots it is counted from, both in seconds; see counting.lua.
WINDOWS = {60: 5, 900: 60, 3600: 60, 86400: 900}


class Broker:
    """The queue server's jobs, workers and counters.

    Every method raises :class:`~workers.queue.errors.QueueUnavailableError` when the server does
    not answer. All of them may then be called again: a job is created, finished, released and
    revoked at most once.
    """

    def __init__(
        self,
        redis: ArqRedis,
        *,
        result_expires: float,
        lease: float = 30.0,
        over_network: bool = False,
        most_waiting: int = 0,
    ) -> None:
        """``result_expires`` and ``lease`` are seconds.

        ``most_waiting``: how many jobs of one owner may wait at once, 0 for any number.
        ``over_network``: the link may be slow, so large transfers get the time they need.
        """
        self.redis = redis
        self._over_network = over_network
        self._runner = ScriptRunner(redis, patient=over_network)
        # A connection of their own: the server hands out jobs while outcomes of others are read.
        self._claims = ScriptRunner(redis, patient=over_network)
        self._large_bytes = LARGE_BYTES if over_network else MOST_BESIDE
        self._result_ttl_ms = int(result_expires * 1000)
        self._lease_ms = int(lease * 1000)
        self._most_waiting = most_waiting
        self._turns = Turns()
        self._server_ahead_ms: int | None = None  # of our monotonic clock, when it last answered
        self._claimed_ms = 0  # by its clock, when the last claim was sent; 0: not known
        #: By our monotonic clock, when the server's was last found to have jumped ahead of it: set
        #: forward, or ours stood still. Leases that it ended may have been renewed in good time.
        self.clock_jumped_at = -math.inf

    async def running_id(self, wanted: str | None, made: str) -> str:
        """The cluster's RUNNING_ID: ``wanted`` if given, else the stored one, else ``made``."""
        try:
            # Written only if need be: a server that is full can still be read.
            stored: bytes | None = await self.redis.get(keys.RUNNING_ID)
            if wanted is not None:
                if stored != wanted.encode():
                    await self.redis.set(keys.RUNNING_ID, wanted)
                return wanted
            if stored is None:
                await self.redis.set(keys.RUNNING_ID, made, nx=True)
                stored = await self.redis.get(keys.RUNNING_ID)
            assert stored is not None
        except Exception as error:
            raise translated(error, "running id") from error
        return stored.decode()

    # ---- the gateway's side ----------------------------------------------------------------

    async def create(self, job: NewJob, notify: str = "") -> JobView | None:
        """Store a job and queue it; None if there is one of this id already.

        The answer has another id if the job's idempotency key made a job before that can still be
        read: it is that job as it stands. ``notify`` names the gateway to tell when the job ends.
        When this returns, the job is as durable as the queue server keeps anything.

        Raises:
            KeyReusedError: the idempotency key made a job of another body.
            TooManyWaitingError: the owner has as many jobs that wait as he may.
        """
        limit = job.concurrency
        places = (
            (limit.key, limit.limit, limit.countdown_ms, limit.expire_ms)
            if limit
            else ("", "", "", "")
        )
        once = job.idempotency or NOT_ONCE
        reply = await self._runner.call(
            scripts.CREATE, job.id, job.task, job.params, job.owner, notify, once.name, once.body,
            self._most_waiting, *places,
        )  # fmt: skip
        match reply:
            case b"TAKEN":
                return None
            case b"OTHER_BODY":
                raise KeyReusedError
            case b"TOO_MANY":
                raise TooManyWaitingError
            case [earlier_id, known]:
                return await self._view(earlier_id.decode(), known)
        return new_view(job.id, job.task, job.owner, reply)

    async def read(self, job_id: str, notify: str = "") -> JobView:
        """A job as it stands. ``notify`` names the gateway to tell when it ends.

        A server that takes no writes for now will not tell: who waits looks again by himself.
        """
        if notify:
            with contextlib.suppress(QueueFullError):
                known = await self._runner.call(scripts.LISTEN, job_id, notify)
                return await self._view(job_id, known)
        return await self._view(job_id, await self._runner.call(scripts.READ, job_id))

    async def result(self, job_id: str) -> JobView | None:
        """A job that has ended; None otherwise. Half as much work for the server as to read it.

        Over a network it is read all the same: only then a large result does not come at once.
        """
        if self._over_network:
            view = await self.read(job_id)
            return view if view.is_final else None
        stored: bytes | None = await self._runner.call(scripts.GET, keys.RESULT + job_id)
        return final_view(stored) if stored is not None else None

    async def revoke(self, job_id: str, owner: str = "") -> Revocation:
        """End a job as REVOKED unless it has ended already.

        ``owner``, if not empty, is whose it has to be: a job of others is left alone.
        """
        reply = await self._runner.call(scripts.REVOKE, job_id, self._result_ttl_ms, owner)
        return Revocation(await self._view(job_id, reply))

    async def dead_letters(self, limit: int) -> DeadLetters:
        """The latest jobs that could not be run, ``limit`` at most, without their parameters."""
        total, letters = await self._runner.call(scripts.DEAD_LETTERS, limit)
        return DeadLetters(total, [letter_of(letter) for letter in letters])

    async def replay(self, letter_id: str, job_id: str) -> JobView | None:
        """Make the job ``job_id`` from a dead letter, which is dropped; None if there is none.

        Raises:
            UnreadableLetterError: its parameters are not what can be run; the letter stays.
        """
        reply = await self._runner.call(scripts.REPLAY, letter_id, job_id)
        match reply[0]:
            case b"UNKNOWN":
                return None
            case b"UNREADABLE":
                raise UnreadableLetterError
        return new_view(job_id, reply[2].decode(), reply[3].decode(), reply[1])

    async def statistics(
        self, tasks: Sequence[str], *, workers: bool = True, owner: str = ""
    ) -> Statistics:
        """The counters of ``tasks``, and the workers that are present.

        ``owner``, if not empty, is whose jobs are counted.
        """
        windows = [number for window in WINDOWS.items() for number in window]
        totals, lengths, starts, presences = await self._runner.call(
            scripts.STATISTICS, "1" if workers else "0", owner, len(WINDOWS), *windows, *tasks
        )
        now = counters(totals)
        running = {t: now.get(f"{t}:{State.STARTED}", 0) for t in tasks}
        return Statistics(
            totals=now,
            waiting={t: max(0, n - running[t]) for t, n in zip(tasks, lengths, strict=True)},
            completed_since={
                window: difference(now, counters(start) if start is not None else now)
                for window, start in zip(WINDOWS, starts, strict=True)
            },
            workers={p["name"]: p for p in map(orjson.loads, presences)},
        )

    # ---- the worker's side -----------------------------------------------------------------

    async def claim(
        self, worker: str, wanted: int, tasks: Sequence[str], nonce: str | None = None,
        ahead: int = 0, patience: float = 0.0,
    ) -> Claim:  # fmt: skip
        """Take up to ``wanted`` due jobs of ``tasks``, each with a lease.

        ``nonce`` tells this claim from all others; should its answer be lost, unclaim it. ``ahead``
        is how many of them, the last ones, will wait for others to end before they begin.
        ``patience``: if not 0, it waits for work to come first, so many seconds at most.
        """
        in_turn, share = self._turns.next(tasks, wanted)
        self._claimed_ms = self._server_ms()
        claim: tuple[str | int, ...] = (
            worker, nonce or secrets.token_hex(4), wanted, self._lease_ms,
            CRASH_LIMIT, self._result_ttl_ms, self._large_bytes, self._doubt_ms(),
            wanted - ahead, share, self._meant_until_ms(), *in_turn,
        )  # fmt: skip
        now_ms, number, *words = await self._answer_to_claim(claim, tasks, patience)
        self._learn_clock(now_ms)
        return claim_of(number, words)

    async def _answer_to_claim(
        self, claim: tuple[str | int, ...], tasks: Sequence[str], patience: float
    ) -> Any:
        if not patience:
            return await self._claims.call(scripts.CLAIM, *claim)
        patience = min(patience, self._lease_ms / 4000)  # within what a claim is meant for
        wakes = (*map(keys.wake, tasks), str(patience))
        why, answer = await self._claims.call_after(
            scripts.COMING_WORK, wakes, patience, scripts.CLAIM, *claim
        )
        if why is not None and not answer[1]:  # at once again and again would be no wait
            raise why
        return answer

    def break_off_claim(self) -> None:
        """Have a claim that is under way fail; what it took, if anything, is to be unclaimed."""
        self._claims.break_off()

    def _doubt_ms(self) -> int:
        """For how long yet to doubt that who let a lease run out is lost; see claim.lua."""
        in_reach = min(r.seconds_in_reach() for r in (self._runner, self._claims))
        as_usual = min(in_reach, time.monotonic() - self.clock_jumped_at)
        return self._lease_ms - int(min(as_usual * 1000, self._lease_ms))

    def _learn_clock(self, now_ms: int) -> None:
        ahead_ms, known_ms = now_ms - _monotonic_ms(), self._server_ahead_ms
        if known_ms is not None and ahead_ms - known_ms > self._lease_ms // 2:
            self.clock_jumped_at = time.monotonic()
        self._server_ahead_ms = ahead_ms

    def _meant_until_ms(self) -> int:
        """Until when, by the server's clock, a claim that is sent now is to be carried out.

        Whoever claims has renewed its leases within half a lease, and so none of them ends before.
        0, at any time, as long as nothing is known of that clock: then nothing is held either.
        """
        now_ms = self._server_ms()
        return now_ms and now_ms + self._lease_ms // 2

    def _server_ms(self) -> int:
        """What time it is by the server's clock; 0 as long as nothing is known of that."""
        return 0 if self._server_ahead_ms is None else self._server_ahead_ms + _monotonic_ms()

    async def with_data(self, job: ClaimedJob) -> ClaimedJob:
        """The job with its data, which is fetched if it was too large to come with the claim."""
        if not job.bytes_to_fetch:
            return job
        data = await self._fetched(keys.JOB + job.id, job.bytes_to_fetch)
        return job._replace(data=data or b"", bytes_to_fetch=0)

    async def renew(self, jobs: Sequence[ClaimedJob], longest_run: float) -> list[Lease]:
        """Renew the leases of ``jobs``, an answer each; ``longest_run`` is in seconds."""
        if not jobs:
            return []
        held = [part for job in jobs for part in (job.id, job.task, job.token)]
        replies = await self._runner.call(
            scripts.RENEW, self._lease_ms, int(longest_run * 1000), self._result_ttl_ms, *held
        )
        return [Lease(reply.decode()) for reply in replies]

    async def finish(
        self, job: ClaimedJob, state: State, result: bytes, *, readable: bool = True
    ) -> Verdict:
        """Hand in a job's outcome. ``result`` is JSON: an object on SUCCESS, else a string.

        ``readable`` is False when the stored job turned out not to be JSON; it
        is kept as a dead letter then.
        """
        reply = await self._runner.call(
            scripts.FINISH, job.id, job.task, job.token, state, result, self._result_ttl_ms,
            job.concurrency_key, "1" if readable else "0",
        )  # fmt: skip
        return VERDICTS[reply]

    async def release(
        self, job: ClaimedJob, *, delay: float = 0.0, crash: str | None = None, begun: bool = True
    ) -> Verdict:
        """Give a job back to be run again in ``delay`` seconds.

        With ``begun=False`` it never ran, and this was no attempt.
        ``crash`` says how the attempt crashed, if it did: after CRASH_LIMIT of them the job ends as
        FAILURE with this text and is kept as a dead letter.
        """
        reply = await self._runner.call(
            scripts.RELEASE, job.id, job.task, job.token, int(delay * 1000),
            0 if crash is None else CRASH_LIMIT, orjson.dumps(crash or ""), self._result_ttl_ms,
            job.concurrency_key, "1" if begun else "0",
        )  # fmt: skip
        return VERDICTS[reply]

    async def recover(self, worker: str, tasks: Iterable[str]) -> int:
        """Make the jobs due that an earlier process of ``worker`` died with; how many."""
        return int(await self._runner.call(scripts.RECOVER, worker, "", 0, *tasks))

    async def unclaim(self, worker: str, nonce: str, tasks: Iterable[str]) -> int:
        """Undo the last claim, whose answer was lost: nobody runs its jobs, none has crashed."""
        since = self._claimed_ms and self._claimed_ms + self._lease_ms - CLOCK_SLACK_MS
        return int(await self._claims.call(scripts.RECOVER, worker, nonce, since, *tasks))

    async def announce(self, worker: str, presence: dict[str, Any], lasting: float) -> int:
        """Say that ``worker`` is there for ``lasting`` seconds (0: gone); how many there are."""
        reply = await self._runner.call(
            scripts.ANNOUNCE, worker, orjson.dumps(presence), int(lasting * 1000)
        )
        return int(reply)

    # ---- both ------------------------------------------------------------------------------

    async def _view(self, job_id: str, known: list[Any]) -> JobView:
        """What read.lua says of a job as a record, with its result."""
        match known:
            case [b"FINAL", stored]:
                return final_view(stored)
            case [b"LARGE", size]:
                stored = await self._fetched(keys.RESULT + job_id, size)
                return unknown_job(job_id) if stored is None else final_view(stored)
            case [b"UNKNOWN"]:
                return unknown_job(job_id)
        return open_view(job_id, known)

    async def _fetched(self, key: str, size: int) -> bytes | None:
        """What is stored under a key, of so many bytes, without holding up anything else."""
        try:
            async with patient_twin(self.redis, size) as twin:
                stored: bytes | None = await twin.get(key)
        except Exception as error:
            raise translated(error, f"{size} bytes of {key}") from error
        return stored


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000
