"""The oracle speaks up: each invariant is broken once, and holds once."""

from dataclasses import replace

import pytest

from tests.chaos import oracle
from tests.chaos.records import Acknowledged, Answer, Attempt, Evidence, Remains, Seen, Sent

RESULT = {"key": "k", "attempt": "a"}
RAN = Attempt("k", "a", 1, 1.0, 2.0)
CUT_SHORT = replace(RAN, name="b", ended=None)
ACKNOWLEDGED = Acknowledged("k", "id", 0.1)


def seen(state: str, at: float, result: object = RESULT, body: bytes = b"{}") -> Seen:
    """The job `id` as a client saw it."""
    return Seen("id", state, result, body, at)


GOOD = Evidence(
    sent=(Sent("k", 0.0),),
    acknowledged=(ACKNOWLEDGED,),
    seen=(seen("PENDING", 0.5), seen("STARTED", 1.0), seen("RETRY", 1.1), seen("STARTED", 1.2),
          seen("SUCCESS", 2.0), seen("SUCCESS", 3.0)),
    answers=(Answer("/create", 200, 0.1, True, False),),
    attempts=(CUT_SHORT, RAN),
)  # fmt: skip


def test_what_went_well_breaks_nothing() -> None:
    assert oracle.unfinished(GOOD) == []
    assert oracle.changed_results(GOOD.seen) == []
    assert oracle.backward_states(GOOD.seen) == []
    assert oracle.foreign_results(GOOD) == []
    assert oracle.mixed_up_answers(GOOD) == []
    assert oracle.too_many_executions(GOOD.attempts, 1) == []
    assert oracle.hanging_or_unclean(GOOD.answers, 1) == []
    assert (oracle.lost(GOOD), oracle.duplicates(GOOD.attempts)) == (0, 1)


def test_i1_an_acknowledged_job_without_an_end() -> None:
    evidence = replace(GOOD, seen=(seen("STARTED", 1.0),))
    assert oracle.unfinished(evidence) == ["I1 has no final state: 1 (id)"]
    assert oracle.lost(evidence) == 1


def test_i2_a_result_that_reads_otherwise_later() -> None:
    assert oracle.changed_results([seen("SUCCESS", 1), seen("SUCCESS", 2, body=b"[]")])


@pytest.mark.parametrize(
    "states",
    [
        ("STARTED", "PENDING"),
        ("RETRY", "PENDING"),
        ("SUCCESS", "STARTED"),
        ("SUCCESS", "FAILURE"),
        ("REVOKED", "SUCCESS"),
    ],
)
def test_i3_a_state_that_goes_back(states: tuple[str, str]) -> None:
    assert oracle.backward_states(seen(state, at) for at, state in enumerate(states))


@pytest.mark.parametrize(
    "result", [{"key": "k", "attempt": "never ran"}, {"key": "k", "attempt": "b"}, "text"]
)
def test_i4_a_result_of_no_attempt_that_came_to_its_end(result: object) -> None:
    assert oracle.foreign_results(replace(GOOD, seen=(seen("SUCCESS", 2.0, result),)))


def test_i5_a_late_recovery() -> None:
    assert oracle.late_recoveries([1.0, 5.1], 5.0) == ["I5 took longer than 5 s: 1 (5.1 s)"]
    assert oracle.late_recoveries([1.0, 4.9], 5.0) == []


@pytest.mark.parametrize(
    "after",
    [
        Remains(keys=("ft:meta:id",)),
        Remains(gauges=("work:STARTED=1",)),
        Remains(children=1),
        Remains(files=oracle.MORE_FILES + 1),
        Remains(memory_kib=oracle.MORE_MEMORY_KIB + 1),
    ],
)
def test_i6_something_left_over(after: Remains) -> None:
    assert oracle.leftovers(Remains(), after)


def test_i6_as_much_as_before_is_nothing_left_over() -> None:
    busy = Remains(children=7, files=40, memory_kib=90_000)
    assert oracle.leftovers(busy, busy) == []


@pytest.mark.parametrize(
    "answer",
    [
        Answer("/create", 200, 5.1, True, False),
        Answer("/create", 500, 0.1, True, False),
        Answer("/create", 503, 0.1, True, False),
        Answer("/create", 422, 0.1, False, False),
        Answer("/create", 0, 0.1, False, False),
    ],
)
def test_i7_an_answer_that_hangs_or_is_not_clean(answer: Answer) -> None:
    assert oracle.hanging_or_unclean([answer], 5.0)


def test_i7_an_honest_refusal_is_clean() -> None:
    assert oracle.hanging_or_unclean([Answer("/create", 503, 4.0, True, True)], 5.0) == []


def test_i8_a_result_of_another_job() -> None:
    other = seen("SUCCESS", 2.0, {"key": "other", "attempt": "a"})
    assert oracle.mixed_up_answers(replace(GOOD, seen=(other,)))


def test_i9_an_execution_nobody_has_an_excuse_for() -> None:
    assert oracle.too_many_executions(GOOD.attempts, 0) == ["I9 ran too often: 1 (k 2 times)"]
    assert oracle.too_many_executions(GOOD.attempts, {"other": 1})
    assert oracle.too_many_executions(GOOD.attempts, {"k": 1}) == []


def test_attempts_at_the_same_time() -> None:
    """One that was cut short lasts until it is known to have died."""
    attempts = [RAN, Attempt("l", "b", 2, 1.5, None), Attempt("m", "c", 3, 1.9, 2.5)]
    assert oracle.most_at_once(attempts, {"b": 1.8}) == 2
    assert oracle.most_at_once(attempts, {"b": 2.1}) == 3


def test_the_attempts_file() -> None:
    lines = ["k a start 1.0 7", "l b start 1.5 8", "k a end 2.0 7"]
    assert oracle.read_attempts(lines) == (
        Attempt("k", "a", 7, 1.0, 2.0),
        Attempt("l", "b", 8, 1.5, None),
    )
