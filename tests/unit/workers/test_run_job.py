"""run_job: whatever a task does short of killing its process is an outcome."""

import math
import signal
import time
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import orjson
import pytest
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    computed_field,
    field_serializer,
    field_validator,
)

from config.registry import TaskSpec
from workers.child import JobLimits, describe, read_arguments, run_job
from workers.outcome import Ending, Outcome
from workers.soft_limit import SoftTimeLimitExceeded, soft_time_limit

LIMITS = JobLimits(soft_seconds=60, result_bytes=1000)


class Params(BaseModel):
    a: int = Field(ge=0)
    b: str = "default"


class Result(BaseModel):
    number: int = Field(alias="Number")

    @field_validator("number")
    @classmethod
    def _small(cls, value: int) -> int:
        if value > 1_000_000_000_000_000_000_000_000_000_000:
            raise RuntimeError("a validator that raises what it should not")
        return value


@pytest.fixture(autouse=True)
def alarm_handler() -> Iterator[None]:
    """pytest-timeout may use the alarm; put its handler back, and leave no alarm of ours."""
    before = signal.getsignal(signal.SIGALRM)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def spec(function: Callable[..., Any]) -> TaskSpec:
    return TaskSpec("mine", function, Params, Result, "")


def job(checked: bool = False, **arguments: Any) -> bytes:
    fields = {"t": None, "f": "mine", "a": [], "k": arguments, "et": 0}
    return orjson.dumps(fields | {"v": True} if checked else fields)


class NoText(Exception):
    def __str__(self) -> str:
        raise ValueError


class NoCause(Exception):
    @property
    def __cause__(self) -> BaseException:  # type: ignore[override]
        raise SystemExit


def raising(error: BaseException) -> Callable[..., Any]:
    def function(**_: Any) -> None:
        raise error

    return function


@pytest.mark.parametrize("returned", [{"Number": 3}, {"number": 3}, Result(Number=3)])
def test_a_result_may_be_a_dict_or_the_model_by_name_or_alias(returned: Any) -> None:
    outcome = run_job(spec(lambda **_: returned), job(a=1), LIMITS)

    assert (outcome.ending, outcome.result) == (Ending.SUCCESS, b'{"Number":3}')


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ValueError("hello"), "ValueError: hello"),
        (SystemExit(0), "SystemExit: 0"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (GeneratorExit(), "GeneratorExit"),
        (MemoryError(), "MemoryError"),
        (BaseExceptionGroup("both", [ValueError("inner")]), "inner"),
        (NoText(), "NoText"),
        (NoCause(), "NoCause"),
        (SoftTimeLimitExceeded("its own"), "its own"),
    ],
    ids=repr,
)
def test_whatever_is_raised_is_told(error: BaseException, says: str) -> None:
    outcome = run_job(spec(raising(error)), job(a=1), LIMITS)

    assert outcome.ending in (Ending.FAILURE, Ending.SOFT_TIMEOUT)
    assert says in outcome.text


class Odd(BaseModel):
    model_config = ConfigDict(extra="forbid")

    side: float = 2
    day: date = date(2026, 1, 2)
    hidden: int = Field(0, exclude=True)
    words: list[str] = Field(default_factory=list)

    @computed_field
    @property
    def area(self) -> float:
        return self.side**2

    @field_serializer("day")
    def _in_german(self, day: date) -> str:
        return day.strftime("%d.%m.%Y")

    @field_validator("words", mode="before")
    @classmethod
    def _split(cls, text: str) -> list[str]:
        return text.split(",")


def answer(result: type[BaseModel], returned: Any) -> Outcome:
    return run_job(TaskSpec("mine", lambda **_: returned, Params, result, ""), job(a=1), LIMITS)


def test_a_result_that_was_made_is_not_made_again() -> None:
    outcome = answer(Odd, Odd(words="a,b"))

    assert outcome.ending is Ending.SUCCESS
    assert orjson.loads(outcome.result) == {
        "side": 2.0, "day": "02.01.2026", "words": ["a", "b"], "area": 4.0
    }  # fmt: skip


def test_a_result_that_is_none_any_more_is_refused() -> None:
    changed = Result(Number=1)
    changed.number = "one"  # type: ignore[assignment]

    outcome = answer(Result, changed)

    assert outcome.ending is Ending.FAILURE
    assert "number: Input should be a valid integer" in outcome.text


class Numbers(BaseModel):
    number: float = 0.0
    inner: list[Odd] = Field(default_factory=list)
    nothing: None = None


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("make", [lambda n: {"number": n}, lambda n: {"inner": [{"side": n}]},
                                  lambda n: Numbers(number=n)])  # fmt: skip
def test_a_number_that_json_does_not_have_is_no_result(
    make: Callable[[float], Any], number: float
) -> None:
    outcome = answer(Numbers, make(number))

    assert outcome.ending is Ending.FAILURE
    assert "infinite or none (NaN)" in outcome.text
    assert answer(Numbers, make(1.5)).ending is Ending.SUCCESS


def test_what_a_serializer_adds_to_the_params_is_no_argument() -> None:
    stored = job(checked=True, a=1, fasttask_concurrency_params=None)
    assert read_arguments(spec(print), stored) == {"a": 1}


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        (None, "value: "), ({}, "Number: Field required"), ({"Number": "x"}, "Number: "),
        (3, "value: "), ({"Number": 10**31}, "a validator that raises"),
    ],
)  # fmt: skip
def test_a_result_that_does_not_match_names_the_field(returned: Any, says: str) -> None:
    outcome = run_job(spec(lambda **_: returned), job(a=1), LIMITS)

    assert outcome.ending is Ending.FAILURE
    assert says in outcome.text


def test_a_result_may_have_as_many_bytes_as_it_may_have() -> None:
    class Text(BaseModel):
        text: str

    said = TaskSpec("mine", lambda n: {"text": "é" * n}, Params, Text, "")
    assert run_job(said, job(checked=True, n=494), LIMITS).ending is Ending.SUCCESS
    outcome = run_job(said, job(checked=True, n=495), LIMITS)

    assert outcome.ending is Ending.FAILURE
    assert "a result of 1001 bytes as JSON, more than MAX_RESULT_BYTES=1000" in outcome.text


def test_arguments_that_the_gateway_checked_are_passed_as_they_are() -> None:
    assert read_arguments(spec(print), job(checked=True, a=-1, c=2)) == {"a": -1, "c": 2}


def test_arguments_of_an_arq_client_are_checked_here() -> None:
    assert read_arguments(spec(print), job(a="7")) == {"a": 7, "b": "default"}
    outcome = run_job(spec(lambda **_: {"Number": 1}), job(a=-1), LIMITS)
    assert outcome.ending is Ending.FAILURE
    assert "greater than or equal to 0" in outcome.text


def test_the_soft_limit_interrupts_and_is_told_apart() -> None:
    began = time.monotonic()
    outcome = run_job(spec(lambda **_: time.sleep(30)), job(a=1), JobLimits(0.05, 1000))

    assert outcome.ending is Ending.SOFT_TIMEOUT
    assert time.monotonic() - began < 5


def test_the_soft_limit_ends_with_the_block() -> None:
    with soft_time_limit(0.05):
        pass
    time.sleep(0.1)  # its alarm rings meanwhile


def test_each_block_has_its_own_time() -> None:
    for _ in range(3):
        with soft_time_limit(0.1):
            time.sleep(0.06)
    with pytest.raises(SoftTimeLimitExceeded), soft_time_limit(0.02):
        time.sleep(5)


def set_an_alarm_and_take_it_back(_rung: list[int]) -> None:
    signal.alarm(10)
    signal.alarm(0)


def use_an_alarm_and_put_all_back(rung: list[int]) -> None:
    before = signal.signal(signal.SIGALRM, lambda number, _: rung.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    signal.sigtimedwait([], 0.02)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("act", [set_an_alarm_and_take_it_back, use_an_alarm_and_put_all_back])
def test_a_task_may_set_alarms_within_the_soft_limit(act: Callable[[list[int]], None]) -> None:
    rung: list[int] = []

    def task(**_: Any) -> None:
        act(rung)
        time.sleep(30)

    outcome = run_job(spec(task), job(a=1), JobLimits(0.1, 1000))

    assert outcome.ending is Ending.SOFT_TIMEOUT
    assert rung == ([signal.SIGALRM] if act is use_an_alarm_and_put_all_back else [])


def test_an_alarm_that_a_task_leaves_behind_does_not_ring_later() -> None:
    rung: list[int] = []

    def wake_me(**_: Any) -> dict[str, int]:
        signal.signal(signal.SIGALRM, lambda number, _: rung.append(number))
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        return {"Number": 1}

    assert run_job(spec(wake_me), job(a=1), LIMITS).ending is Ending.SUCCESS
    time.sleep(0.1)
    assert rung == []
    slow = run_job(spec(lambda **_: time.sleep(30)), job(a=1), JobLimits(0.05, 1000))
    assert slow.ending is Ending.SOFT_TIMEOUT  # the handler is ours again


def test_the_frames_left_out_are_ours() -> None:
    try:
        raising(ValueError("hello"))()
    except ValueError as error:
        assert "def function" not in describe(error, 0)
        assert describe(error, 99).splitlines() == ["ValueError: hello"]


class Wakes(BaseModel):
    """A Result whose validator leaves an alarm behind."""

    number: int

    @field_validator("number")
    @classmethod
    def wake(cls, number: int) -> int:
        """Ring soon."""
        signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it rang in another task"))
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        return number


def test_an_alarm_that_a_result_leaves_behind_does_not_ring_in_the_next_task() -> None:
    def task(**_: Any) -> dict[str, int]:
        time.sleep(0.1)
        return {"Number": 1}

    wakes = TaskSpec("mine", lambda **_: {"number": 1}, Params, Wakes, "")
    assert run_job(wakes, job(a=1), LIMITS).ending is Ending.SUCCESS
    assert run_job(spec(task), job(a=1), LIMITS).ending is Ending.SUCCESS
