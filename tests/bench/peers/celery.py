"""Celery, prefork, with late acknowledgement and results in the queue server."""

from importlib.metadata import version
from typing import Any

from celery import Celery

from tests.bench.peers.address import SOCKET
from tests.bench.peers.peer import Peer

app = Celery("bench", broker=f"redis+socket://{SOCKET}", backend=f"redis+socket://{SOCKET}")
app.conf.update(task_acks_late=True)

PEER = Peer(
    name="Celery",
    version=version("celery"),
    worker=(
        "celery", "-A", "tests.bench.peers.celery", "worker", "--pool", "prefork",
        "--concurrency", "2", "--loglevel", "WARNING",
    ),
    runs_in="a child process, killed at a time limit",
    acknowledges="after the result (acks_late); a killed worker's job is run again after an hour",
    remaining="return redis.call('LLEN', 'celery') + redis.call('HLEN', 'unacked')",
)  # fmt: skip


@app.task(name="noop")  # type: ignore[untyped-decorator]
def noop(number: int) -> dict[str, int]:
    """Nothing but the way there and back."""
    return {"number": number}


def enqueue(count: int) -> list[str]:
    """Queue ``count`` jobs; their ids."""
    return [noop.delay(number).id for number in range(count)]


def read(ids: list[str]) -> list[Any]:
    """The results of jobs."""
    return [app.AsyncResult(job_id).result for job_id in ids]
