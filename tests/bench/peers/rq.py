"""rq with a pool of two workers that fork a process for every job."""

from importlib.metadata import version
from typing import Any

from redis import Redis
from rq import Queue
from rq.job import Job

from tests.bench.peers.address import TCP_URL
from tests.bench.peers.peer import Peer

RESULT_SECONDS = 259_200  # as long as FastTask keeps its results

PEER = Peer(
    name="rq",
    version=version("rq"),
    worker=(
        "rq",
        "worker-pool",
        "-n",
        "2",
        "-u",
        "redis://127.0.0.1:{port}",
        "-q",
        "-P",
        ".",
        "default",
    ),
    runs_in="a new process for every job, killed at a time limit",
    acknowledges="after the result; a killed worker's job ends as failed",
    remaining="return ARGV[1] - redis.call('ZCARD', 'rq:finished:default')",
    reached_by="loopback TCP",
    most_jobs=500,
)


def noop(number: int) -> dict[str, int]:
    """Nothing but the way there and back."""
    return {"number": number}


def enqueue(count: int) -> list[str]:
    """Queue ``count`` jobs; their ids."""
    queue = Queue(connection=Redis.from_url(TCP_URL))
    return [queue.enqueue(noop, n, result_ttl=RESULT_SECONDS).id for n in range(count)]


def read(ids: list[str]) -> list[Any]:
    """The results of jobs."""
    connection = Redis.from_url(TCP_URL)
    return [Job.fetch(job_id, connection=connection).return_value() for job_id in ids]
