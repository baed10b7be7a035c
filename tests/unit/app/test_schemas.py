"""Job records and the models made for each task."""

from collections.abc import Callable

import orjson
import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.schemas import job_response, record_model, record_of, request_model
from config.registry import CONCURRENCY_FIELD, TaskSpec
from workers.queue.records import JobView, State


class Loose(BaseModel):
    number: float = 1.0


class Strict(Loose):
    model_config = ConfigDict(extra="forbid")


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


@pytest.mark.parametrize("params", [Loose, Strict])
def test_a_request_takes_the_concurrency_params_beside_params(params: type[BaseModel]) -> None:
    model = request_model(spec(params))
    body = {"number": 2, "fasttask_concurrency_params": {"concurrency_key": "k"}}
    made = model.model_validate(body)

    assert getattr(made, CONCURRENCY_FIELD).model_dump() == {
        "concurrency_key": "k", "max_concurrency": 16, "countdown": 60, "expire": 1800,
    }  # fmt: skip
    assert CONCURRENCY_FIELD not in made.model_dump(), "it is no argument of the function"
    assert "fasttask_concurrency_params" not in params.model_fields


def test_a_request_of_strict_params_stays_strict() -> None:
    with pytest.raises(ValidationError, match="extra"):
        request_model(spec(Strict)).model_validate({"more": 1})


@pytest.mark.parametrize("number", ["NaN", "inf", "-Infinity", float("inf"), float("nan")])
def test_a_request_takes_no_number_that_json_has_not(number: object) -> None:
    with pytest.raises(ValidationError, match="finite"):
        request_model(spec(Loose)).model_validate({"number": number})


@pytest.mark.parametrize("make", [request_model, record_model])
def test_models_are_named_after_their_task(make: Callable[[TaskSpec], type[BaseModel]]) -> None:
    assert make(spec(Loose)).__name__.startswith("task_")


@pytest.mark.parametrize(("result", "examples"), [(Shown, 1), (Loose, 0)])
def test_a_record_has_an_example_if_all_fields_of_the_result_have(
    result: type[BaseModel], examples: int
) -> None:
    schema = record_model(spec(Loose, result)).model_json_schema()

    assert len(schema.get("examples", [])) == examples
