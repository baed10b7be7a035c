"""Celery as the gateway of peers/gateway.py needs it: with a record of each job.

Celery knows no job that nobody has started, nor when one was created or started, and takes an id
that never was for one that waits. So the gateway writes down what it creates, and the worker when
it starts: a hash a job, as large and as short-lived as Celery's own result.
"""

import time
from typing import Any

from celery.signals import task_prerun
from redis import Redis

from tests.bench.peers.address import SOCKET
from tests.bench.peers.celery import app, noop

RESULT_EXPIRES = 3 * 86400  # seconds; FastTask's default

app.conf.update(task_track_started=True, result_extended=True, result_expires=RESULT_EXPIRES)

records = Redis(unix_socket_path=SOCKET)


def record_key(job_id: str) -> str:
    """Where the record of a job is kept."""
    return f"job:{job_id}"


@task_prerun.connect
def _note_start(task_id: str, **_signal: Any) -> None:
    records.hset(record_key(task_id), "started", time.time())


__all__ = ["RESULT_EXPIRES", "app", "noop", "record_key"]
