"""What the gateways on Celery take and answer, and what Celery itself knows of a job."""

import asyncio
import time
from datetime import datetime
from typing import Any, Literal

from celery.result import AsyncResult
from pydantic import BaseModel

POLL_SECONDS = 0.005
LONGEST_RUN = 60.0  # seconds


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


def known(job: AsyncResult[Any]) -> dict[str, Any]:
    """The fields of a job's record. Once it has ended Celery keeps them: one read is enough."""
    state, result = job.state, job.result
    succeeded = state == "SUCCESS"
    return {
        "id": job.id,
        "state": state,
        "result": Result(**result) if succeeded else str(result or ""),
        "result_type": "json" if succeeded else "text",
        "finished_at": job.date_done,
    }


async def ended(job: AsyncResult[Any]) -> None:
    """Wait for a job's end in Celery's way, by asking again and again."""
    deadline = time.monotonic() + LONGEST_RUN
    while not job.ready() and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(POLL_SECONDS)
