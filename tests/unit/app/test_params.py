"""Parameters on their way to the queue: the task's own model decides, and harms nobody."""

import base64
from collections.abc import Iterable
from typing import Annotated, Any

import pytest
from pydantic import (
    AfterValidator,
    AliasGenerator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    alias_generators,
    model_validator,
)

from app.errors import UnwritableParamsError
from app.params import request_model, written
from config.registry import TaskSpec
from config.task_rules import CONCURRENCY_FIELD


class Loose(BaseModel):
    number: float = 1.0


class Strict(Loose):
    model_config = ConfigDict(extra="forbid")


class Renamed(Loose):
    model_config = ConfigDict(alias_generator=AliasGenerator(alias_generators.to_camel))


def spec(params: type[BaseModel]) -> TaskSpec:
    return TaskSpec("task", lambda **_: None, params, Loose, "")


@pytest.mark.parametrize("params", [Loose, Strict, Renamed])
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


class NoText(Exception):
    def __str__(self) -> str:
        raise LookupError


def fail(value: str) -> str:
    """A validator of somebody who thinks of other mistakes."""
    match value:
        case "type":
            return value + 1  # type: ignore[operator]
        case "key":
            return {}[value]
        case "exit":
            raise SystemExit(2)
        case "odd":
            raise NoText
    return value


class Fragile(BaseModel):
    before: Annotated[str, BeforeValidator(fail)] = ""
    after: Annotated[str, AfterValidator(fail)] = ""
    whole: str = ""

    @model_validator(mode="wrap")
    @classmethod
    def check(cls, sent: Any, handler: Any) -> Any:
        made = handler(sent)
        fail(made.whole)
        return made


@pytest.mark.parametrize("how", ["type", "key", "exit", "odd"])
@pytest.mark.parametrize("where", ["before", "after", "whole"])
def test_a_check_that_fails_refuses_what_it_was_to_look_at(where: str, how: str) -> None:
    with pytest.raises(
        ValidationError, match=r"own check of it raised .*(TypeE|KeyE|SystemExit|NoText)"
    ):
        request_model(spec(Fragile)).model_validate({where: how})


class Point(BaseModel):
    x: float


class Odd(BaseModel):
    point: Point | None = None
    points: list[Point] = Field(default_factory=list)
    blob: Annotated[bytes, BeforeValidator(base64.b64decode)] = b""
    numbers: Iterable[int] = ()
    nothing: None = None


@pytest.mark.parametrize(
    "sent",
    [
        {"point": {"x": "nan"}}, {"points": [{"x": 1}, {"x": "-inf"}]},
        {"blob": "//79"}, {"numbers": ["x"]},
    ],
)  # fmt: skip
def test_what_cannot_be_said_in_json_is_refused(sent: dict[str, Any]) -> None:
    params = request_model(spec(Odd)).model_validate(sent)
    with pytest.raises(UnwritableParamsError, match="cannot be said in JSON: "):
        written(params)


def test_what_can_be_said_in_json_is_written() -> None:
    sent = {"point": {"x": "1e3"}, "blob": "YQ==", "numbers": [1]}
    assert written(request_model(spec(Odd)).model_validate(sent)) == (
        b'{"point":{"x":1000.0},"points":[],"blob":"a","numbers":[1],"nothing":null}'
    )
