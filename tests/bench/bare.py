"""A bare FastAPI application with our models and no queue: what the gateway could cost at least.

``uvicorn tests.bench.bare:app``. A created job is answered and forgotten, a check makes one up.
"""

import time
import uuid

from fastapi import FastAPI, Response

from app.schemas import job_response, record_model, request_model
from config.registry import load_tasks
from tests.bench.environment import TASKS
from workers.queue.records import JobView, State

SPEC = load_tasks(TASKS, ("noop",))["noop"]
PARAMS, RECORD = request_model(SPEC), record_model(SPEC)

app = FastAPI()


async def create(params: PARAMS) -> Response:  # type: ignore[valid-type]  # made from the task file
    """A record as `create` answers it."""
    del params
    now = _now_ms()
    return job_response(JobView(str(uuid.uuid4()), State.PENDING, created_ms=now, updated_ms=now))


async def check(result_id: str) -> Response:
    """A record as `check` answers it."""
    now = _now_ms()
    return job_response(
        JobView(
            result_id, State.SUCCESS, b'{"number":1}', created_ms=now, started_ms=now,
            finished_ms=now, updated_ms=now, tries=1, worker="worker@bare",
        )
    )  # fmt: skip


app.post("/create/noop", response_model=RECORD)(create)
app.get("/check/{result_id}", response_model=RECORD)(check)


def _now_ms() -> int:
    return int(time.time() * 1000)
