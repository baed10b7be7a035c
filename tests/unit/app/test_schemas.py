"""Job records and the models made for each task."""

from collections.abc import Callable

import orjson
import pytest
from pydantic import BaseModel, Field

from app.params import request_model
from app.schemas import job_response, record_model, record_of
from config.registry import TaskSpec
from workers.queue.records import JobView, State


class Loose(BaseModel):
    number: float = 1.0


class Shown(BaseModel):
    area: float = Field(examples=[3.14])


def spec(params: type[BaseModel], result: type[BaseModel] = Shown) -> TaskSpec:
    return TaskSpec("task", lambda **_: None, params, result, "")


@pytest.mark.parametrize("state", State)
def test_only_a_success_has_a_result_of_json(state: State) -> None:
    record = record_of(JobView("id", state))

    assert record["result_type"] == ("json" if state is State.SUCCESS else "text")


@pytest.mark.parametrize(
    ("ms", "shown"),
    [
        (None, None),
        (0, "1970-01-01T00:00:00.000Z"),
        (1_767_225_600_007, "2026-01-01T00:00:00.007Z"),
    ],
)
def test_times_are_iso_in_utc_to_the_millisecond(ms: int | None, shown: str | None) -> None:
    assert record_of(JobView("id", State.STARTED, created_ms=ms))["created_at"] == shown


def test_a_stored_result_goes_through_byte_by_byte() -> None:
    result = b'{"n": 123456789012345678901234567890, "x": 1.0}'
    body = bytes(job_response(JobView("id", State.SUCCESS, result)).body)

    assert b'"result":' + result in body
    assert orjson.loads(body)["id"] == "id"


@pytest.mark.parametrize("make", [request_model, record_model])
def test_models_are_named_after_their_task(make: Callable[[TaskSpec], type[BaseModel]]) -> None:
    assert make(spec(Loose)).__name__.startswith("task_")


@pytest.mark.parametrize(("result", "examples"), [(Shown, 1), (Loose, 0)])
def test_a_record_has_an_example_if_all_fields_of_the_result_have(
    result: type[BaseModel], examples: int
) -> None:
    schema = record_model(spec(Loose, result)).model_json_schema()

    assert len(schema.get("examples", [])) == examples
