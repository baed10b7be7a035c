"""The scenarios of every run, with a lease of 3 s and few repetitions.

`make chaos` plays all of them with the real lease, and looks at the times too. Rows 1, 2, 4 and 32
are in every run through test_lost_workers.py and its neighbours in tests/integration/workers, which
show the same without load.
"""

import pytest

import tests.chaos.scenarios  # noqa: F401  it fills the catalogue
from tests.chaos.catalogue import SCENARIOS, Scenario

SEED, MINUTES, LEASE, BEAT = 1, 0.5, 3.0, 0.5


@pytest.mark.parametrize(
    "scenario", [pytest.param(s, id=s.play.__name__) for s in SCENARIOS if s.every_run]
)
async def test_holds(scenario: Scenario) -> None:
    outcome = await scenario.play(scenario.setting(SEED, MINUTES, LEASE, BEAT))
    assert not outcome.violations, outcome
