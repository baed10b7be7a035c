"""A bare FastAPI application with our models and no queue: what the gateway could cost at least.

``uvicorn tests.bench.bare:app``. A created job is answered and forgotten, a check makes one up, and
what is run runs in this process, where nothing could stop it.
"""

import time
import uuid

from fastapi import FastAPI, Response

from app.params import request_model
from app.schemas import job_response, record_model
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
    return _ended(result_id, b'{"number":1}')


async def run(params: PARAMS) -> Response:  # type: ignore[valid-type]
    """A record as `run` answers it."""
    result = SPEC.result.model_validate(SPEC.function(**params.model_dump()))  # type: ignore[attr-defined]
    return _ended(str(uuid.uuid4()), result.model_dump_json().encode())


app.post("/create/noop", response_model=RECORD)(create)
app.get("/check/{result_id}", response_model=RECORD)(check)
app.post("/run/noop", response_model=RECORD)(run)


def _ended(job_id: str, result: bytes) -> Response:
    now = _now_ms()
    return job_response(
        JobView(
            job_id, State.SUCCESS, result, created_ms=now, started_ms=now,
            finished_ms=now, updated_ms=now, tries=1, worker="worker@bare",
        )
    )  # fmt: skip


def _now_ms() -> int:
    return int(time.time() * 1000)
