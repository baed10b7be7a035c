"""What clients and tasks write down while faults run: plain, frozen, and outside the queue.

All times are seconds of CLOCK_MONOTONIC, which is one clock for all processes of a machine.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sent:
    """A client asked for a job; ``key`` is the client's own name for it."""

    key: str
    at: float


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A client was told that its job is created."""

    key: str
    id: str
    at: float


@dataclass(frozen=True, slots=True)
class Seen:
    """A client saw a job. ``body`` is the whole answer, the others are what stood in it."""

    id: str
    state: str
    result: object
    body: bytes
    at: float


@dataclass(frozen=True, slots=True)
class Answer:
    """How a request was answered. ``status`` 0: by a broken connection or not at all."""

    path: str
    status: int
    seconds: float
    is_json: bool
    retry_after: bool


@dataclass(frozen=True, slots=True)
class Attempt:
    """One execution of a job's function; ``ended`` is None if it never came to its last line."""

    key: str
    name: str
    pid: int
    started: float
    ended: float | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was written down during a scenario."""

    sent: tuple[Sent, ...] = ()
    acknowledged: tuple[Acknowledged, ...] = ()
    seen: tuple[Seen, ...] = ()
    answers: tuple[Answer, ...] = ()
    attempts: tuple[Attempt, ...] = ()


@dataclass(frozen=True, slots=True)
class Remains:
    """What is left in a cluster when nothing runs; see :func:`tests.chaos.oracle.leftovers`."""

    keys: tuple[str, ...] = ()  #: names on the queue server that belong to unfinished jobs
    gauges: tuple[str, ...] = ()  #: counters of running jobs that are not at zero
    children: int = 0  #: processes below the workers
    files: int = 0  #: open file descriptors of the workers' parents
    memory_kib: int = 0  #: resident memory of the workers' parents


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a scenario found: one row of the results."""

    fault: str  #: the number in the list of faults
    name: str
    bound: str  #: what must hold, in words
    injected: int  #: how often the fault was injected
    jobs: int  #: jobs acknowledged
    lost: int  #: of these without a final state
    duplicates: int  #: executions beyond the first of each job
    recoveries: tuple[float, ...]  #: seconds from each fault until its job ran again
    violations: tuple[str, ...]  #: what did not hold; empty if all did
    note: str = ""
    late: tuple[str, ...] = ()  #: the bounds of time that did not hold; a busy machine breaks them

    @property
    def holds(self) -> bool:
        """The verdict of `make chaos`, which has the machine to itself."""
        return not (self.violations or self.late)
