"""The faults of the gateway that are in every run, with small numbers.

`make chaos` plays all of them with those of the list of faults, and looks at the times too.
"""

from collections.abc import Awaitable, Callable

import pytest

from tests.chaos.gateway_bodies import bad_bodies, fuzzed_names
from tests.chaos.gateway_figures import Figures
from tests.chaos.gateway_full import full_queue_server
from tests.chaos.gateway_kills import lost_answers
from tests.chaos.gateway_load import clients_that_go, concurrent_creates
from tests.chaos.gateway_passwords import wrong_passwords
from tests.chaos.gateway_sizes import hostile_outcomes, large_params, large_results
from tests.chaos.gateway_slow import slow_clients
from tests.chaos.gateway_uploads import bad_uploads

SMALL: dict[str, Callable[[], Awaitable[Figures]]] = {
    "lost answers": lambda: lost_answers(number=40),
    "clients that go": lambda: clients_that_go(number=30, rounds=2),
    "full queue server": full_queue_server,
    "large params": lambda: large_params(sizes=(1, 20)),
    "large results": lambda: large_results(sizes=(1, 3), most=2 * 2**20, million=10_000),
    "concurrent creates": lambda: concurrent_creates(number=200, workers=1),
    "bad uploads": lambda: bad_uploads(number=10, large_mib=2, read_seconds=1),
    "fuzzed names": lambda: fuzzed_names(number=200),
    "slow clients": lambda: slow_clients(each=50, seconds=3, read_seconds=2),
    "wrong passwords": lambda: wrong_passwords(guesses=100, timed=20),
    "bad bodies": lambda: bad_bodies(times=1),
    "hostile outcomes": lambda: hostile_outcomes(scale=0.02),
}


@pytest.mark.parametrize("name", SMALL)
async def test_the_bounds_hold(name: str) -> None:
    figures = await SMALL[name]()

    assert not figures.violations, figures
