"""Rows 9 to 11, 18 to 21 and 23 to 28: what clients, disks and hostile tasks do to the gateway.

The scenarios stand in `gateway_*.py` beside this folder and return figures, which become the note
of their outcome. In every run they are played with small numbers: see `test_gateway.py`.
"""

import os
from collections.abc import Awaitable, Callable

from tests.chaos.catalogue import scenario
from tests.chaos.gateway_bodies import bad_bodies, fuzzed_names
from tests.chaos.gateway_figures import Figures
from tests.chaos.gateway_full import (
    full_disk_under_the_queue,
    full_disk_under_uploads,
    full_queue_server,
)
from tests.chaos.gateway_kills import killed_gateways, lost_answers
from tests.chaos.gateway_load import clients_that_go, concurrent_creates
from tests.chaos.gateway_passwords import wrong_passwords
from tests.chaos.gateway_sizes import (
    hostile_outcomes,
    large_over_a_slow_line,
    large_params,
    large_results,
)
from tests.chaos.gateway_slow import slow_clients
from tests.chaos.gateway_uploads import bad_uploads
from tests.chaos.records import Outcome
from tests.chaos.stage import Setting

Measure = Callable[..., Awaitable[Figures]]

NEED_ROOT = {"full_disk_under_uploads", "full_disk_under_the_queue"}  # they mount small disks


async def repeated_after_kills() -> Figures:
    """As `killed_gateways`, with keys."""
    return await killed_gateways(keyed=True)


def enter(fault: str, measure: Measure) -> None:
    """Enter a scenario that returns figures into the catalogue."""

    async def play(setting: Setting) -> Outcome:
        if measure.__name__ in NEED_ROOT and os.getuid() != 0:
            return setting.outcome(injected=0, jobs=0, missed=[], note="not played: it needs root")
        return outcome_of(await measure())

    play.__name__ = measure.__name__
    scenario(fault, measure.__name__.replace("_", " "), "see its outcome", every_run=False)(play)


def outcome_of(figures: Figures) -> Outcome:
    """Figures as a row of the results."""
    numbers = figures.numbers
    note = ", ".join(f"{name} {number:.4g}" for name, number in numbers.items())
    jobs = numbers.get("accepted", numbers.get("acknowledged", numbers.get("keys", 0)))
    return Outcome(
        figures.fault, figures.name, figures.bound, injected=1, jobs=int(jobs),
        lost=int(numbers.get("lost", 0)), duplicates=0, recoveries=(),
        violations=figures.violations, late=figures.late, note=note,
    )  # fmt: skip


MEASURES: dict[str, list[Measure]] = {
    "9": [killed_gateways, repeated_after_kills],
    "10": [lost_answers],
    "11": [clients_that_go],
    "18": [full_disk_under_uploads, full_disk_under_the_queue],
    "19": [full_queue_server],
    "20": [large_params, large_results, large_over_a_slow_line],
    "21": [concurrent_creates],
    "23": [bad_uploads],
    "24": [fuzzed_names],
    "25": [slow_clients],
    "26": [wrong_passwords],
    "27": [bad_bodies],
    "28": [hostile_outcomes],
}

for number, measures in MEASURES.items():
    for one in measures:
        enter(number, one)
