"""What a gateway carries over HTTPS, whoever serves it: the same routes, the same requests."""

import time
from dataclasses import dataclass

import orjson

from tests.bench.client import Client, Request, Script, follow, load, percentile, spread
from tests.bench.figures import Figure, Measured

CONNECTIONS = 32
SINGLES = 300
POLL_SECONDS = 0.005  # how often a job is checked where the server cannot hold the answer
HOLD_SECONDS = 60

CREATED = Figure(f"create, {CONNECTIONS} connections, the jobs being run", "1/s")
END_TO_END = Figure("create to all results read", "jobs/s")
CHECKED = Figure(f"check, {CONNECTIONS} connections", "1/s")
IDLE_P50 = Figure("create to result read, idle, p50", "ms", more_is_better=False)
IDLE_P99 = Figure("create to result read, idle, p99", "ms", more_is_better=False)
RUN_P50 = Figure("run, one at a time, p50", "ms", more_is_better=False)
RUN_RATE = Figure(f"run, {CONNECTIONS} connections", "1/s")
ALL = (CREATED, END_TO_END, CHECKED, IDLE_P50, IDLE_P99, RUN_P50, RUN_RATE)


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway under load. ``holds``: whether its check takes ``wait=``; else it is polled."""

    client: Client
    holds: bool

    def measured(self, jobs: int) -> Measured:
        """All figures, with ``jobs`` jobs for those of many connections.

        Raises:
            RuntimeError: a job did not end well.
        """
        self.client.load(map(run, range(10 * CONNECTIONS)), CONNECTIONS)  # warm
        return {
            **self._create_and_read_all(jobs),
            **self._idle(),
            RUN_P50: self.client.load(map(run, range(SINGLES)), 1).percentile(0.5),
            RUN_RATE: self.client.load(map(run, range(jobs)), CONNECTIONS).rate,
        }

    def _create_and_read_all(self, jobs: int) -> Measured:
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
        return {CREATED: created.rate, END_TO_END: jobs / seconds, CHECKED: checked.rate}

    def _idle(self) -> Measured:
        """Create one job after the other and read each one's result as soon as it is there."""
        milliseconds = []

        def one_by_one() -> Script[None]:
            for number in range(SINGLES):
                began = time.perf_counter()
                created = orjson.loads((yield create(number)))
                yield from self._state_at_end(created["id"])
                milliseconds.append(1000 * (time.perf_counter() - began))

        with self.client.connected(1) as connections:
            follow(connections, [one_by_one()])
        return {
            IDLE_P50: percentile(milliseconds, 0.5),
            IDLE_P99: percentile(milliseconds, 0.99),
        }

    def _state_at_end(self, job_id: str) -> Script[str]:
        """A job's final state, asked for until it has ended."""
        question = check(job_id, HOLD_SECONDS if self.holds else 0)
        while True:
            state: str = orjson.loads((yield question))["state"]
            if state in ("SUCCESS", "FAILURE", "REVOKED"):
                return state
            yield POLL_SECONDS


def bare_measured(client: Client, requests: int) -> Measured:
    """The figures of an application that queues nothing."""
    with client.connected(CONNECTIONS) as connections:
        load(connections, map(create, range(10 * CONNECTIONS)))  # warm
        return {
            CREATED: load(connections, map(create, range(requests))).rate,
            CHECKED: load(connections, (check(str(n)) for n in range(requests))).rate,
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
