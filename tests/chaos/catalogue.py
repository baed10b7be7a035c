"""All scenarios, each with its fault's number, what must hold, and whether it is in every run."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.chaos.records import Outcome
from tests.chaos.stage import Setting

Play = Callable[[Setting], Awaitable[Outcome]]


@dataclass(frozen=True)
class Scenario:
    """One way to break a cluster."""

    fault: str
    name: str
    bound: str
    every_run: bool  #: short enough, with a short lease, for `make test`
    beside: bool  #: it mostly waits, so `make chaos` plays it beside the others
    play: Play

    def setting(self, seed: int, minutes: float, lease: float, beat: float) -> Setting:
        """What to play it with: its dice depend on the seed and on nothing else."""
        dice = random.Random(f"{seed}/{self.fault}/{self.name}")
        return Setting(self.fault, self.name, self.bound, dice, lease, beat, minutes)


SCENARIOS: list[Scenario] = []


def scenario(
    fault: str, name: str, bound: str, *, every_run: bool = False, beside: bool = False
) -> Callable[[Play], Play]:
    """Enter a function into the list of scenarios."""

    def enter(play: Play) -> Play:
        SCENARIOS.append(Scenario(fault, name, bound, every_run, beside, play))
        return play

    return enter
