"""What a gateway carries over HTTPS, whoever serves it: the same routes, the same requests."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import orjson

from tests.bench.client import Client, Request, Script, follow, load, spread
from tests.bench.figures import Figure

CONNECTIONS = 32
POLL_SECONDS = 0.005  # how often a job is checked where the server cannot hold the answer
HOLD_SECONDS = 60

CREATED = Figure(f"create, {CONNECTIONS} connections, the jobs being run", "1/s")
END_TO_END = Figure("create to all results read", "jobs/s")
CHECKED = Figure(f"check, {CONNECTIONS} connections", "1/s")
IDLE_P50 = Figure("create to result read, idle, p50", "ms", more_is_better=False)
IDLE_P99 = Figure("create to result read, idle, p99", "ms", more_is_better=False, share=0.99)
RUN_P50 = Figure("run, one at a time, p50", "ms", more_is_better=False)
RUN_RATE = Figure(f"run, {CONNECTIONS} connections", "1/s")
ALL = (CREATED, END_TO_END, CHECKED, IDLE_P50, IDLE_P99, RUN_P50, RUN_RATE)

Samples = Mapping[Figure, list[float]]


@dataclass(frozen=True, slots=True)
class Portion:
    """How much is asked for at a time."""

    jobs: int  #: over many connections
    singles: int  #: one after the other


class Loaded(Protocol):
    """What can be put under load."""

    def warm_up(self) -> None:
        """Have it serve until it is as fast as it gets."""

    def sample(self, portion: Portion) -> Samples:
        """A look at each of its figures.

        Raises:
            RuntimeError: a job did not end well.
        """


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway. ``holds``: whether its check takes ``wait=``; else it is polled."""

    client: Client
    holds: bool

    def warm_up(self) -> None:
        """Run some jobs."""
        self.client.load(map(run, range(10 * CONNECTIONS)), CONNECTIONS)

    def sample(self, portion: Portion) -> Samples:
        """A look at each of its figures."""
        idle = self._idle(portion.singles)
        return {
            **self._create_and_read_all(portion.jobs),
            IDLE_P50: idle,
            IDLE_P99: idle,
            **_run(self.client, portion),
        }

    def _create_and_read_all(self, jobs: int) -> Samples:
        """Create jobs while they are being run, then read every result, then all of them again."""
        with self.client.connected(CONNECTIONS) as connections:
            began = time.perf_counter()
            created = load(connections, map(create, range(jobs)))
            ids = [orjson.loads(body)["id"] for body in created.bodies]
            states = set(spread(connections, ids, self._state_at_end))
            seconds = time.perf_counter() - began
            if states != {"SUCCESS"}:
                raise RuntimeError(f"jobs ended as {states}")
            checked = load(connections, map(check, ids))
        return {CREATED: [created.rate], END_TO_END: [jobs / seconds], CHECKED: [checked.rate]}

    def _idle(self, jobs: int) -> list[float]:
        """Create one job after the other and read each one's result as soon as it is there: ms."""
        milliseconds = []

        def one_by_one() -> Script[None]:
            for number in range(jobs):
                began = time.perf_counter()
                created = orjson.loads((yield create(number)))
                yield from self._state_at_end(created["id"])
                milliseconds.append(1000 * (time.perf_counter() - began))

        with self.client.connected(1) as connections:
            follow(connections, [one_by_one()])
        return milliseconds

    def _state_at_end(self, job_id: str) -> Script[str]:
        """A job's final state, asked for until it has ended."""
        question = check(job_id, HOLD_SECONDS if self.holds else 0)
        while True:
            state: str = orjson.loads((yield question))["state"]
            if state in ("SUCCESS", "FAILURE", "REVOKED"):
                return state
            yield POLL_SECONDS


@dataclass(frozen=True, slots=True)
class BareGateway:
    """An application that queues nothing."""

    client: Client

    def warm_up(self) -> None:
        """Create some."""
        self.client.load(map(create, range(10 * CONNECTIONS)), CONNECTIONS)

    def sample(self, portion: Portion) -> Samples:
        """A look at the figures that it has."""
        with self.client.connected(CONNECTIONS) as connections:
            numbers = range(portion.jobs)
            created = load(connections, map(create, numbers))
            checked = load(connections, (check(str(n)) for n in numbers))
        return {CREATED: [created.rate], CHECKED: [checked.rate], **_run(self.client, portion)}


def _run(client: Client, portion: Portion) -> Samples:
    """Run jobs one after the other, then over many connections."""
    singles = client.load(map(run, range(portion.singles)), 1).latencies
    return {
        RUN_P50: [1000 * seconds for seconds in singles],
        RUN_RATE: [client.load(map(run, range(portion.jobs)), CONNECTIONS).rate],
    }


def create(number: int) -> Request:
    """Create a job."""
    return "POST", "/create/noop", b'{"number": %d}' % number


def run(number: int) -> Request:
    """Run a job."""
    return "POST", "/run/noop", b'{"number": %d}' % number


def check(job_id: str, hold_seconds: float = 0) -> Request:
    """Check a job; the answer may be held until the job ends."""
    return "GET", f"/check/{job_id}" + (f"?wait={hold_seconds}" if hold_seconds else ""), b""
