"""What is measured, and how often it was: a figure's values over the rounds."""

import statistics
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing that is measured."""

    title: str
    unit: str
    more_is_better: bool = True
    share: float = 0.5  #: of what is sampled in a round, the part that its value is above


Measured = Mapping[Figure, float]


@dataclass(frozen=True, slots=True)
class Spread:
    """The values of one figure over the rounds."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.values)

    def __str__(self) -> str:
        low, high = min(self.values), max(self.values)
        return f"{shown(self.median)} [{shown(low)} – {shown(high)}]"


@dataclass(slots=True)
class Book:
    """All that was measured so far, and what could not be."""

    entries: dict[tuple[str, Figure], dict[int, float]] = field(
        default_factory=lambda: defaultdict(dict)
    )  #: (contender, figure) -> round -> value
    failures: dict[str, str] = field(default_factory=dict)  #: contender -> why

    def enter(self, contender: str, measured: Measured, round_number: int) -> None:
        """Add what a turn of that round measured."""
        for figure, value in measured.items():
            self.entries[contender, figure][round_number] = value

    def spread(self, contender: str, figure: Figure) -> Spread | None:
        """The values of a contender's figure; None if there are none."""
        values = self.entries.get((contender, figure))
        return Spread(tuple(values.values())) if values else None

    def ratio(self, figure: Figure, ours: str, theirs: str) -> Spread | None:
        """How many times better ``ours`` is in each round; None unless a round has both.

        A machine that others share may be half as fast in the next round, and the median of each
        alone would be of another one.
        """
        mine = self.entries.get((ours, figure), {})
        other = self.entries.get((theirs, figure), {})
        quotients = [mine[number] / other[number] for number in mine.keys() & other.keys()]
        if not quotients:
            return None
        return Spread(tuple(q if figure.more_is_better else 1 / q for q in quotients))


def shown(value: float) -> str:
    """A number with about three digits that count."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"
