"""What crosses the queue's door: frozen records, never loose dicts.

Those that are made for each job are tuples: a frozen dataclass takes two to four times as long to
make.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import orjson


class State(StrEnum):
    """Where a job stands. It only moves down this list; the last three are final."""

    PENDING = "PENDING"  #: waits to be started for the first time
    STARTED = "STARTED"  #: a worker runs it
    RETRY = "RETRY"  #: waits to be started again, or for a free place of its concurrency key
    SUCCESS = "SUCCESS"  #: the function returned a Result
    FAILURE = "FAILURE"  #: it raised, was stopped at a limit, or cannot be run
    REVOKED = "REVOKED"  #: a user took it back


FINAL_STATES = (State.SUCCESS, State.FAILURE, State.REVOKED)


@dataclass(frozen=True, slots=True)
class Concurrency:
    """How many jobs of one task with the same key may run at once, over the whole cluster."""

    key: str
    limit: int
    countdown_ms: int  #: how long a job that found no place waits at most before it tries again
    expire_ms: int  #: how long a dead holder keeps its place at most, should its lease be longer


@dataclass(frozen=True, slots=True)
class Idempotency:
    """What makes two creates one: the same name with the same body gives the same job."""

    name: str  #: of the client's key; see keys.idempotency
    body: str  #: hex SHA-256 of what was asked for


NOT_ONCE = Idempotency("", "")  # of a create that makes a job each time


class NewJob(NamedTuple):
    """A job to create. ``params`` is a JSON object that was checked against the task's Params."""

    id: str
    task: str
    params: bytes
    owner: str
    concurrency: Concurrency | None = None
    idempotency: Idempotency | None = None


class ClaimedJob(NamedTuple):
    """A job that this worker may run until its lease ends, and the token that proves it."""

    id: str
    task: str
    token: str
    attempt: int  #: 1 for the first
    data: bytes  #: arq's job, as stored
    concurrency_key: str  #: empty if it has none
    bytes_to_fetch: int = 0  #: of data that was too large to come along; then ``data`` is empty


@dataclass(frozen=True, slots=True)
class Buried:
    """A job that a claim ended instead of handing it out."""

    id: str
    task: str
    state: State


@dataclass(frozen=True, slots=True)
class Claim:
    """The answer to a claim: jobs to run, and jobs that were found beyond running."""

    jobs: list[ClaimedJob]
    buried: list[Buried]


class Lease(StrEnum):
    """What became of one lease at a heartbeat."""

    OK = "OK"
    ABORT = "ABORT"  #: the job was revoked or ended meanwhile: stop it
    LOST = "LOST"  #: another attempt owns the job now: stop it, and say nothing


class Verdict(StrEnum):
    """What became of an outcome that a worker handed in."""

    OK = "OK"
    DUPLICATE = "DUP"  #: there is a final result already; it stays
    REVOKED = "REVOKED"  #: the job was aborted meanwhile and ended so
    FENCED = "FENCED"  #: the token is not the running attempt's: nothing was written
    DEAD = "DEAD"  #: released once too often after a crash: ended as FAILURE


VERDICTS = {verdict.encode(): verdict for verdict in Verdict}  # Verdict(...) takes longer


class JobView(NamedTuple):
    """A job as it stands: what `check` shows. Times are ms since 1970, None if not there yet."""

    id: str
    state: State
    result: bytes = b'""'  #: JSON: the Result on SUCCESS, else a string
    task: str | None = None
    owner: str | None = None
    created_ms: int | None = None
    started_ms: int | None = None
    finished_ms: int | None = None
    updated_ms: int | None = None
    tries: int = 0
    worker: str | None = None
    known: bool = True  #: False for an id that the queue server does not know (any more)

    @property
    def is_final(self) -> bool:
        """Whether this state will never change."""
        return self.state in FINAL_STATES

    @property
    def text(self) -> str:
        """The result as text, for a job that did not succeed."""
        return str(orjson.loads(self.result))


def unknown_job(job_id: str) -> JobView:
    """What is said of a job that the queue server does not know (any more)."""
    text = f"no job {job_id}: it was never created here, or its result has expired"
    return JobView(job_id, State.FAILURE, orjson.dumps(text), known=False)


@dataclass(frozen=True, slots=True)
class Revocation:
    """The answer to a revoke: how the job ended, and whether this call or an earlier one did it."""

    view: JobView

    @property
    def accepted(self) -> bool:
        """Whether the job is revoked now: no attempt starts and no SUCCESS appears any more."""
        return self.view.state is State.REVOKED


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A job that ended because it cannot be run: it killed its workers, or nobody can read it.

    Times are ms since 1970. What is not known is None, or empty in the case of `owner`.
    """

    id: str
    task: str
    owner: str
    died_ms: int
    created_ms: int | None
    worker: str | None  #: who ran it last
    reason: str  #: its end, if it is long
    attempts: int
    replayable: bool  #: False if its stored parameters are unreadable


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """The latest dead letters first, and how many there are in all."""

    total: int
    letters: list[DeadLetter]


@dataclass(frozen=True, slots=True)
class Statistics:
    """The counters behind `status_info`. Keys of the inner mappings are ``task:STATE``."""

    totals: dict[str, int]
    waiting: dict[str, int]  #: task -> unfinished jobs that do not run
    completed_since: dict[int, dict[str, int]]  #: window in seconds -> jobs ended within it
    workers: dict[str, Any]  #: worker -> its presence
