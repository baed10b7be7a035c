"""The same routes on FastAPI and Celery with less to answer, served by uvicorn over TLS.

As peers/gateway.py, but without a record of each job: no state STARTED, no times, and an id that
never was is PENDING. It is what Celery's own records are enough for.
"""

from fastapi import FastAPI

from tests.bench.peers.celery import app as queue
from tests.bench.peers.celery import noop
from tests.bench.peers.gateway_models import JobRecord, Params, ended, known

app = FastAPI()


@app.post("/create/noop")
async def create(params: Params) -> JobRecord:
    """Queue the task and answer at once."""
    job = noop.apply_async(kwargs=params.model_dump())
    return JobRecord(id=job.id, state="PENDING")


@app.get("/check/{result_id}")
async def check(result_id: str) -> JobRecord:
    """How a job stands."""
    return JobRecord(**known(queue.AsyncResult(result_id)))


@app.post("/run/noop")
async def run(params: Params) -> JobRecord:
    """Run the task and wait for its result."""
    job = noop.apply_async(kwargs=params.model_dump())
    await ended(job)
    return JobRecord(**known(job))
