"""FastTask's routes and records on FastAPI and Celery, served by uvicorn over TLS.

Written as its users would: the routes are asynchronous, and so is their way to the jobs' own
records; Celery's client is not, and blocks the event loop for a fraction of a millisecond. In
FastAPI's threads, where plain functions would be called, most of it was slower.
"""

import time
import uuid
from datetime import UTC, datetime
from typing import Any

from celery.result import AsyncResult
from fastapi import FastAPI
from redis.asyncio import Redis

from tests.bench.peers.address import SOCKET
from tests.bench.peers.gateway_jobs import RESULT_EXPIRES, noop, record_key
from tests.bench.peers.gateway_jobs import app as queue
from tests.bench.peers.gateway_models import JobRecord, Params, ended, known

app = FastAPI()
records = Redis(unix_socket_path=SOCKET, decode_responses=True)


class FullRecord(JobRecord):
    """A job as it stands, with what Celery does not know."""

    created_at: datetime | None = None
    started_at: datetime | None = None
    updated_at: datetime | None = None
    tries: int = 0
    worker: str | None = None


@app.post("/create/noop")
async def create(params: Params) -> FullRecord:
    """Queue the task and answer at once."""
    job_id, now = await _created(params)
    created = datetime.fromtimestamp(now, UTC)
    return FullRecord(id=job_id, state="PENDING", created_at=created, updated_at=created)


@app.get("/check/{result_id}")
async def check(result_id: str) -> FullRecord:
    """How a job stands."""
    return await _record(queue.AsyncResult(result_id))


@app.post("/run/noop")
async def run(params: Params) -> FullRecord:
    """Run the task and wait for its result."""
    job_id, _ = await _created(params)
    job = queue.AsyncResult(job_id)
    await ended(job)
    return await _record(job)


async def _created(params: Params) -> tuple[str, float]:
    """Queue the task; its id, and when."""
    job_id, now = str(uuid.uuid4()), time.time()
    async with records.pipeline(transaction=False) as pipeline:
        pipeline.hset(record_key(job_id), "created", now)
        pipeline.expire(record_key(job_id), RESULT_EXPIRES)
        await pipeline.execute()
    noop.apply_async(kwargs=params.model_dump(), task_id=job_id)
    return job_id, now


async def _record(job: AsyncResult[Any]) -> FullRecord:
    times = await records.hgetall(record_key(job.id))
    if not times:
        return FullRecord(id=job.id, state="FAILURE", result="unknown or expired")
    return FullRecord(
        **known(job),
        created_at=times["created"],
        started_at=times.get("started"),
        updated_at=job.date_done or times.get("started", times["created"]),
        tries=(job.retries or 0) + ("started" in times),
        worker=job.worker,
    )
