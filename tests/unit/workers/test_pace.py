"""How many jobs a slot is given ahead."""

import pytest

from workers.pace import MOST_AHEAD, Pace


def paced(seconds: float, slots: int = 2, jobs: int = 200) -> int:
    pace = Pace(slots)
    for _ in range(jobs):
        pace.observe(seconds)
    return pace.ahead


@pytest.mark.parametrize(
    ("seconds", "ahead"), [(0.0, MOST_AHEAD), (0.00099, 20), (0.009, 2), (0.019, 1), (1, 0)]
)
def test_short_jobs_some_long_ones_none(seconds: float, ahead: int) -> None:
    assert paced(seconds) == ahead


def test_nothing_is_held_ahead_as_long_as_nothing_is_known() -> None:
    assert Pace(2).ahead == 0


def test_the_first_job_tells_enough() -> None:
    assert paced(0.009, jobs=1) == 2


def test_one_long_job_is_enough_to_stop_it() -> None:
    pace = Pace(2)
    for _ in range(200):
        pace.observe(0.001)
    pace.observe(1.0)
    assert pace.ahead == 0


def test_many_slots_share_what_may_be_held() -> None:
    assert paced(0.001, slots=16) == 4
    assert paced(0.001, slots=100) == 0
