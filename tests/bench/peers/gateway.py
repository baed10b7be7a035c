"""FastTask's routes and records on FastAPI and Celery, served by uvicorn over TLS.

Written as its users would: the routes are asynchronous, and so is their way to the jobs' own
records; Celery's client is not, and blocks the event loop for a fraction of a millisecond. In
FastAPI's threads, where plain functions would be called, most of it was slower.
"""

import asyncio
import time
import uuid
from datetime import UTC, datetime
from typing import Any, Literal

from celery.result import AsyncResult
from fastapi import FastAPI
from pydantic import BaseModel
from redis.asyncio import Redis

from tests.bench.peers.address import SOCKET
from tests.bench.peers.gateway_jobs import RESULT_EXPIRES, noop, record_key
from tests.bench.peers.gateway_jobs import app as queue

POLL_SECONDS = 0.005
LONGEST_RUN = 60.0  # seconds

app = FastAPI()
records = Redis(unix_socket_path=SOCKET, decode_responses=True)


class Params(BaseModel):
    """What the task takes."""

    number: int = 0


class Result(BaseModel):
    """What the task returns."""

    number: int


class JobRecord(BaseModel):
    """A job as it stands."""

    id: str
    state: Literal["PENDING", "STARTED", "RETRY", "SUCCESS", "FAILURE", "REVOKED"]
    result: Result | str = ""
    result_type: Literal["json", "text"] = "text"
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    updated_at: datetime | None = None
    tries: int = 0
    worker: str | None = None


@app.post("/create/noop")
async def create(params: Params) -> JobRecord:
    """Queue the task and answer at once."""
    job_id, now = await _created(params)
    created = datetime.fromtimestamp(now, UTC)
    return JobRecord(id=job_id, state="PENDING", created_at=created, updated_at=created)


@app.get("/check/{result_id}")
async def check(result_id: str) -> JobRecord:
    """How a job stands."""
    return await _record(queue.AsyncResult(result_id))


@app.post("/run/noop")
async def run(params: Params) -> JobRecord:
    """Run the task and wait for its result."""
    job_id, _ = await _created(params)
    job = queue.AsyncResult(job_id)
    deadline = time.monotonic() + LONGEST_RUN
    while not job.ready() and time.monotonic() < deadline:  # noqa: ASYNC110  it is Celery's way
        await asyncio.sleep(POLL_SECONDS)
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


async def _record(job: AsyncResult[Any]) -> JobRecord:
    """The record of a job. Once it has ended, Celery keeps what it read: one read is enough."""
    times = await records.hgetall(record_key(job.id))
    if not times:
        return JobRecord(id=job.id, state="FAILURE", result="unknown or expired")
    state, result = job.state, job.result
    succeeded = state == "SUCCESS"
    return JobRecord(
        id=job.id,
        state=state,
        result=Result(**result) if succeeded else str(result or ""),
        result_type="json" if succeeded else "text",
        created_at=times["created"],
        started_at=times.get("started"),
        finished_at=job.date_done,
        updated_at=job.date_done or times.get("started", times["created"]),
        tries=(job.retries or 0) + ("started" in times),
        worker=job.worker,
    )
