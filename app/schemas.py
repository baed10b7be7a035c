"""What goes over HTTP: the models behind the OpenAPI page, and how a job is shown."""

from datetime import datetime
from typing import Annotated, Any, Literal

import orjson
from fastapi import Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model

from app.whole_answers import WholeResponse
from config.registry import TaskSpec
from config.times import iso
from workers.queue.records import DeadLetter, DeadLetters, JobView, State

JSON = (b"content-type", b"application/json")
StatusField = Literal["worker_status", "task_info", "pending_task_count"]


def _no_boolean(value: Any) -> Any:
    """JSON Schema's numbers have no `true` among them; pydantic would take it for 1."""
    if isinstance(value, bool):
        raise ValueError("a number is needed, not true or false")
    return value


PositiveInt = Annotated[int, Field(gt=0), BeforeValidator(_no_boolean)]
PositiveSeconds = Annotated[
    float, Field(gt=0, le=30 * 86_400, allow_inf_nan=False), BeforeValidator(_no_boolean)
]


class ConcurrencyParams(BaseModel):
    """How many jobs of this task with the same key may run at once, over the whole cluster."""

    model_config = ConfigDict(extra="forbid")

    concurrency_key: str = Field(min_length=1, max_length=256)
    max_concurrency: PositiveInt = Field(16, description="Jobs with this key that run at once")
    countdown: PositiveSeconds = Field(
        60, description="Seconds a waiting job waits at most before it looks for a place again"
    )
    expire: PositiveSeconds = Field(
        1800, description="Seconds after which a dead job's place is free at the latest"
    )


class JobRecord(BaseModel):
    """A job as it stands."""

    id: str
    state: State
    result: Any = Field(description="The Result on SUCCESS, else text: on FAILURE the traceback")
    result_type: Literal["json", "text"] = Field(description="`json` for a Result, else `text`")
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    updated_at: datetime | None = None
    tries: int = Field(description="How many times the job was started")
    worker: str | None = Field(None, description="Who runs it or ran it last")


class RevokeRequest(BaseModel):
    """Which job to take back."""

    result_id: str = Field(min_length=1, max_length=256)


class ReplayRequest(BaseModel):
    """Which dead letter to run again."""

    result_id: str = Field(min_length=1, max_length=256)


class DeadLetterRecord(BaseModel):
    """A job that ended because it cannot be run."""

    id: str
    task: str
    owner: str = Field(description="Who created it")
    died_at: datetime
    created_at: datetime | None = None
    worker: str | None = Field(None, description="Who ran it last")
    reason: str = Field(description="Why it was given up; the end of it, if it is long")
    attempts: int = Field(description="How many times it was started")
    replayable: bool = Field(description="False if its stored parameters are unreadable")


class DeadLettersAnswer(BaseModel):
    """The latest dead letters first."""

    total: int = Field(description="How many there are in all")
    dead_letters: list[DeadLetterRecord]


class ActionAnswer(BaseModel):
    """Whether an action was carried out."""

    status: Literal["SUCCESS", "FAILURE"]
    result: str = ""
    message: str = ""


class UploadAnswer(BaseModel):
    """Under which name the file can be found below FILES_DIR, and downloaded; and what arrived."""

    file_name: str = Field(examples=["0caee52c-b2ca-4c04-b040-82bd952192da_1.xlsx"])
    sha256: str = Field(
        description="Of the file's content, in hex digits as `sha256sum` prints them.",
        examples=["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
    )


class StatusRequest(BaseModel):
    """Which parts of the status to answer."""

    fields: list[StatusField] = Field(examples=[["worker_status", "pending_task_count"]])


class ErrorAnswer(BaseModel):
    """What every error looks like."""

    detail: Any


class Mistake(BaseModel):
    """One thing that is wrong with a request."""

    type: str
    loc: list[str | int] = Field(description="Where it is: in the body, the query, ...")
    msg: str
    input: Any = None
    ctx: dict[str, Any] | None = None


class InvalidAnswer(BaseModel):
    """What is wrong with a request: each mistake, or why what is valid by itself was refused."""

    detail: list[Mistake] | str


def record_model(spec: TaskSpec) -> type[BaseModel]:
    """The job record of a task, with its Result typed and an example if the fields have some."""
    result = create_model(f"{spec.name}_Result", __base__=spec.result)
    examples = [_example(spec)] if _example_result(spec) is not None else []
    return create_model(
        f"{spec.name}_JobRecord",
        __base__=JobRecord,
        result=(result | str, JobRecord.model_fields["result"]),
        __config__=None,
        __cls_kwargs__={"json_schema_extra": {"examples": examples}} if examples else None,
    )


class JsonResponse(WholeResponse):
    """An answer that is JSON already, made in two fifths of the framework's time."""

    def __init__(self, body: bytes) -> None:
        self.status_code = 200
        self.background = None
        self.body = body
        self.raw_headers = [(b"content-length", b"%d" % len(body)), JSON]


def job_response(view: JobView) -> Response:
    """A job record as the answer to a request. The stored result goes through as it is."""
    return JsonResponse(orjson.dumps(record_of(view)))


def record_of(view: JobView) -> dict[str, Any]:
    """The fields of JobRecord, ready for orjson."""
    return {
        "id": view.id,
        "state": view.state,
        "result": orjson.Fragment(view.result),
        "result_type": "json" if view.state is State.SUCCESS else "text",
        "created_at": _iso(view.created_ms),
        "started_at": _iso(view.started_ms),
        "finished_at": _iso(view.finished_ms),
        "updated_at": _iso(view.updated_ms),
        "tries": view.tries,
        "worker": view.worker,
    }


def dead_letters_response(found: DeadLetters) -> Response:
    """A DeadLettersAnswer."""
    letters = [_letter_record(letter) for letter in found.letters]
    return JsonResponse(orjson.dumps({"total": found.total, "dead_letters": letters}))


def _letter_record(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "task": letter.task,
        "owner": letter.owner,
        "died_at": _iso(letter.died_ms),
        "created_at": _iso(letter.created_ms),
        "worker": letter.worker,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "replayable": letter.replayable,
    }


def _iso(ms: int | None) -> str | None:
    return None if ms is None else iso(ms)


def _example_result(spec: TaskSpec) -> dict[str, Any] | None:
    fields = spec.result.model_fields
    if not all(field.examples for field in fields.values()):
        return None
    return {name: field.examples[0] for name, field in fields.items() if field.examples}


def _example(spec: TaskSpec) -> dict[str, Any]:
    ended = JobView(
        id="3f0c9a51-5a0b-4a39-9ad8-3d7f35a6c1d0-0caee52c-b2ca-4c04-b040-82bd952192da",
        state=State.SUCCESS,
        result=orjson.dumps(_example_result(spec)),
        created_ms=1_767_225_600_000,
        started_ms=1_767_225_600_004,
        finished_ms=1_767_225_600_007,
        updated_ms=1_767_225_600_007,
        tries=1,
        worker="worker@host-1a2b3c4d",
    )
    example: dict[str, Any] = orjson.loads(orjson.dumps(record_of(ended)))
    return example
