"""The page of results: every verdict stands in it, and a scenario that breaks down is one."""

from dataclasses import replace

import pytest

from tests.chaos.__main__ import played
from tests.chaos.catalogue import Scenario
from tests.chaos.records import Outcome
from tests.chaos.stage import Setting
from tests.chaos.table import Run, measured_again, page, row

HELD = Outcome("10", "cut", "0 lost", 3, 50, 0, 2, (1.0, 2.0, 9.0), ())
BROKEN = Outcome("2", "kill", "0 lost", 3, 50, 1, 2, (), ("I1 a | b",))
RUN = Run("2026-01-01", 7, 20, 30, 5, 2, 90)


def test_a_row_tells_what_was_measured() -> None:
    assert row(HELD) == ("| 10 | cut | 3 | 50 | 0 | 2 | 2.00 s | 9.00 s | 0 lost | holds |  |")
    assert row(BROKEN) == (
        "| 2 | kill | 3 | 50 | 1 | 2 | - | - | 0 lost | **FAILS**: I1 a / b |  |"
    )


def test_what_took_too_long_does_not_hold_either() -> None:
    late = replace(HELD, late=("I5 9 s",))

    assert not late.holds
    assert "**FAILS**: I5 9 s" in row(late)


def test_the_page_is_in_the_order_of_the_faults() -> None:
    rows = page(RUN, [HELD, BROKEN]).splitlines()[-2:]
    assert rows == [row(BROKEN), row(HELD)]


def test_a_row_that_was_measured_again_takes_the_place_of_the_former_one() -> None:
    mended = replace(BROKEN, lost=0, violations=())

    again = measured_again(page(RUN, [HELD, BROKEN]), [mended])

    assert again.splitlines()[-2:] == [row(mended), row(HELD)]
    assert "Measured again afterwards: fault 2, kill." in again


async def test_a_scenario_that_breaks_down_does_not_hold(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def play(_setting: Setting) -> Outcome:
        raise ValueError("no such thing")

    scenario = Scenario("1", "name", "bound", False, False, play)
    outcome = await played(scenario, scenario.setting(1, 1, 3, 0.5))

    assert not outcome.holds
    assert "no such thing" in capsys.readouterr().out
