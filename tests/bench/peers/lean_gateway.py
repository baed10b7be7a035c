"""The same routes on FastAPI and Celery with less to answer, served by uvicorn over TLS.

As peers/gateway.py, but without a record of each job: no state STARTED, no times, and an id that
never was is PENDING. It is what Celery's own records are enough for.
"""

import asyncio
import time
from datetime import datetime
from typing import Any, Literal

from celery.result import AsyncResult
from fastapi import FastAPI
from pydantic import BaseModel

from tests.bench.peers.celery import app as queue
from tests.bench.peers.celery import noop

POLL_SECONDS = 0.005
LONGEST_RUN = 60.0  # seconds

app = FastAPI()


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
    finished_at: datetime | None = None


@app.post("/create/noop")
async def create(params: Params) -> JobRecord:
    """Queue the task and answer at once."""
    job = noop.apply_async(kwargs=params.model_dump())
    return JobRecord(id=job.id, state="PENDING")


@app.get("/check/{result_id}")
async def check(result_id: str) -> JobRecord:
    """How a job stands."""
    return _record(queue.AsyncResult(result_id))


@app.post("/run/noop")
async def run(params: Params) -> JobRecord:
    """Run the task and wait for its result."""
    job = noop.apply_async(kwargs=params.model_dump())
    deadline = time.monotonic() + LONGEST_RUN
    while not job.ready() and time.monotonic() < deadline:  # noqa: ASYNC110  it is Celery's way
        await asyncio.sleep(POLL_SECONDS)
    return _record(job)


def _record(job: AsyncResult[Any]) -> JobRecord:
    """The record of a job. Once it has ended, Celery keeps what it read: one read is enough."""
    state, result = job.state, job.result
    succeeded = state == "SUCCESS"
    return JobRecord(
        id=job.id,
        state=state,
        result=Result(**result) if succeeded else str(result or ""),
        result_type="json" if succeeded else "text",
        finished_at=job.date_done,
    )
