"""One of the shipped tasks, run over HTTPS to show that the whole node works."""

import json
import time
import urllib.parse
from dataclasses import dataclass
from typing import Any

from config.settings import Settings
from deploy.gateway import Answer, Gateway, GatewayError

HOLD_SECONDS = 10  # how long one request waits for the job's end
FINAL_STATES = frozenset({"SUCCESS", "FAILURE", "REVOKED"})


@dataclass(frozen=True, slots=True)
class Example:
    """A shipped task with parameters it takes."""

    task: str
    params: dict[str, float]

    def __str__(self) -> str:
        arguments = ", ".join(f"{name}={value:g}" for name, value in self.params.items())
        return f"{self.task}({arguments})"


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the API tells of it."""

    id: str
    state: str
    result: Any  #: the task's result; what went wrong as text


EXAMPLES = (
    Example("get_circle_area", {"radius": 5.0}),
    Example("get_hypotenuse", {"a": 3, "b": 4}),
)


class ExampleFailed(Exception):
    """The example task did not come back with a result; the message says what came instead."""


def example_task(settings: Settings) -> Example | None:
    """The first shipped task that this node has loaded."""
    return next((e for e in EXAMPLES if e.task in settings.loaded_tasks), None)


def show_example(settings: Settings, limit_seconds: float) -> str:
    """Run the example and tell in a sentence what came of it.

    That a job is still waiting after ``limit_seconds`` is no failure: others may be before it.

    Raises:
        ExampleFailed: the API refused it, or the task failed.
    """
    example = example_task(settings)
    if example is None:
        return "skipped: none of the shipped example tasks is loaded"
    if not (settings.api_create and settings.api_check):
        return "skipped: API_CREATE or API_CHECK is switched off"
    try:
        return _run(Gateway(settings), example, time.monotonic() + limit_seconds)
    except GatewayError as error:
        raise ExampleFailed(str(error)) from None


def _run(gateway: Gateway, example: Example, deadline: float) -> str:
    created = gateway.post(f"/create/{example.task}", example.params)
    if created.status == 422:
        return f"skipped: {example.task} takes other parameters than the shipped one"
    job = _ended(gateway, example, _job(created), deadline)
    if job.state not in FINAL_STATES:
        return f"{example} is still {job.state}, behind other jobs; its id is {job.id}"
    if job.state != "SUCCESS":
        raise ExampleFailed(f"{example} ended {job.state}: {job.result}")
    return f"{example} -> {json.dumps(job.result)}"


def _ended(gateway: Gateway, example: Example, job: Job, deadline: float) -> Job:
    """The job in its final state, or as it is when the time is over."""
    query = urllib.parse.urlencode({"result_id": job.id, "wait": HOLD_SECONDS})
    while job.state not in FINAL_STATES and time.monotonic() < deadline:
        job = _job(gateway.get(f"/check/{example.task}?{query}", timeout=HOLD_SECONDS + 5))
    return job


def _job(answer: Answer) -> Job:
    if not 200 <= answer.status < 300:
        raise ExampleFailed(str(answer))
    try:
        record = answer.json()
        return Job(record["id"], record["state"], record["result"])
    except (ValueError, KeyError, TypeError):
        raise ExampleFailed(f"no job record: {answer}") from None
