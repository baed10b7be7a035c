"""How many jobs a slot is given ahead."""

import pytest

from workers.pace import AHEAD_SECONDS, MOST_AHEAD, PATIENCE_SECONDS, Pace


def after(*seconds: float, slots: int = 2) -> Pace:
    """The pace after jobs that took so long."""
    pace = Pace(slots)
    for one in seconds:
        pace.observe(one)
    return pace


@pytest.mark.parametrize(
    ("seconds", "ahead"), [(0.0, MOST_AHEAD), (0.00099, 20), (0.009, 2), (0.019, 1), (1, 0)]
)
def test_short_jobs_some_long_ones_none(seconds: float, ahead: int) -> None:
    assert after(*[seconds] * 200).ahead(0) == ahead


def test_nothing_is_held_ahead_as_long_as_nothing_is_known() -> None:
    assert after().ahead(0) == after().ahead(10) == 0


def test_the_first_job_tells_enough() -> None:
    assert after(0.009).ahead(0) == 2


def test_one_long_job_is_enough_to_stop_it() -> None:
    pace = after(*[0.001] * 200, 1.0)
    assert pace.ahead(0) == pace.ahead(1.0) == 0


def test_many_slots_share_what_may_be_held() -> None:
    assert after(*[0.001] * 200, slots=16).ahead(0) == 4
    assert after(*[0.001] * 200, slots=100).ahead(0) == 0


def test_of_long_jobs_of_one_length_the_next_is_given_when_one_is_about_to_end() -> None:
    pace = after(*[0.1] * 20)
    assert pace.foresees_ends
    assert pace.seconds_until_next(0.03) == pytest.approx(0.1 - AHEAD_SECONDS - 0.03)
    assert pace.ahead(0.03) == pace.ahead(0.13) == 0
    assert pace.ahead(0.09) == pace.ahead(0.11) == 1


def test_a_few_jobs_of_one_length_are_no_proof() -> None:
    assert not after(0.1, 0.1, 0.1).foresees_ends


def test_the_end_of_jobs_of_many_lengths_is_not_foreseen() -> None:
    pace = after(*[0.1, 0.2] * 20)
    assert not pace.foresees_ends
    assert pace.ahead(0.15) == pace.ahead(0.2) == 0


def test_nothing_waits_behind_a_job_that_runs_on() -> None:
    pace = after(*[0.001] * 20)
    assert not pace.runs_on(PATIENCE_SECONDS / 2)
    assert pace.runs_on(PATIENCE_SECONDS * 2)


def test_a_long_job_runs_on_but_for_the_time_when_it_should_end() -> None:
    pace = after(*[0.2] * 20)
    assert not pace.runs_on(0.01)
    assert pace.runs_on(0.1)
    assert not pace.runs_on(0.2)
    assert pace.runs_on(0.3)


def test_one_job_that_takes_longer_ends_the_foresight_for_a_while() -> None:
    pace = after(*[0.1] * 20, 1.0)
    assert not pace.foresees_ends
    for _ in range(50):
        pace.observe(0.1)
    assert pace.foresees_ends


def test_where_nothing_may_be_held_nothing_is_foreseen() -> None:
    assert not after(*[0.1] * 20, slots=100).foresees_ends
