"""What is made of the measurements: medians, ratios, the order of turns, the page."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from tests.bench import side_by_side
from tests.bench.backlog import DRAINED, MISSING
from tests.bench.figures import Book, Figure, Spread
from tests.bench.gateway_load import IDLE_P50, Loaded, Portion, Samples
from tests.bench.growth import page as growth_page
from tests.bench.growth.idle_workers import IdleCost
from tests.bench.growth.levels import Cost, Level
from tests.bench.growth.page import Growth
from tests.bench.growth.rest import PartAtRest
from tests.bench.markdown import table
from tests.bench.page import Run, tables
from tests.bench.turns import alone, chosen, order, play

RATE = Figure("rate", "1/s")


async def measure() -> dict[Figure, float]:
    return {RATE: 7.0}


async def break_down() -> dict[Figure, float]:
    raise ValueError("no such thing")


class Counted:
    """A gateway whose figure is how often it was asked for it."""

    def __init__(self, most: int = 9) -> None:
        self._most, self._times = most, 0

    def warm_up(self) -> None:
        pass

    def sample(self, _portion: Portion) -> Samples:
        self._times += 1
        if self._times > self._most:
            raise RuntimeError("it broke")
        return {RATE: [float(self._times)]}


@asynccontextmanager
async def breaking() -> AsyncIterator[Loaded]:
    yield Counted(most=2)


A = alone("backlog", "A", measure)
B = alone("backlog", "B", measure)
C = alone("gateway", "A", break_down)


def book_of(**rates: float | tuple[float, ...]) -> Book:
    """What contenders reached, in one round or in several."""
    book = Book()
    for contender, values in rates.items():
        for number, rate in enumerate(values if isinstance(values, tuple) else (values,), 1):
            book.enter(contender, {DRAINED: rate, IDLE_P50: rate, MISSING: 0}, number)
    return book


def test_a_spread_shows_median_and_extremes() -> None:
    assert str(Spread((3.0, 1000.0, 12.0))) == "12.0 [3.00 – 1,000]"


def test_a_ratio_says_how_many_times_better_we_are() -> None:
    book = book_of(FastTask=200.0, huey=100.0)
    assert book.ratio(DRAINED, "FastTask", "huey") == Spread((2.0,))
    assert book.ratio(IDLE_P50, "FastTask", "huey") == Spread((0.5,))
    assert book.ratio(DRAINED, "FastTask", "nobody") is None


def test_ratios_are_those_of_each_round_that_has_both() -> None:
    book = book_of(FastTask=(400.0, 200.0, 300.0), huey=(100.0, 100.0, 50.0))
    ratio = book.ratio(DRAINED, "FastTask", "huey")
    assert ratio is not None
    assert (ratio.median, str(ratio)) == (4.0, "4.00 [2.00 – 6.00]")

    del book.entries["huey", DRAINED][3]
    assert book.ratio(DRAINED, "FastTask", "huey") == Spread((4.0, 2.0))


def test_each_round_has_everybody_in_another_order() -> None:
    orders = [order([A, B, C], number) for number in (1, 2, 3)]
    assert orders == [[A, B, C], [C, B, A], [B, C, A]]


def test_names_choose_parts_and_contenders() -> None:
    assert chosen([A, B, C], []) == [A, B, C]
    assert chosen([A, B, C], ["backlog"]) == [A, B]
    assert chosen([A, B, C], ["a"]) == [A, C]
    assert chosen([A, B, C], ["backlog", "b"]) == [B]


async def test_a_gateway_that_fails_takes_no_other_with_it() -> None:
    @asynccontextmanager
    async def working() -> AsyncIterator[Loaded]:
        yield Counted()

    @asynccontextmanager
    async def not_starting() -> AsyncIterator[Loaded]:
        raise ValueError("no such thing")
        yield

    measured = await side_by_side.measured({"A": not_starting, "B": working, "C": breaking}, 100)
    assert {name: type(of_one) for name, of_one in measured.items()} == {
        "A": ValueError, "B": dict, "C": RuntimeError,
    }  # fmt: skip
    assert measured["B"] == {RATE: 3.0}


def test_names_choose_among_those_who_are_measured_together() -> None:
    both = replace(A, contenders=("A", "B"))
    assert chosen([both, C], ["backlog"]) == [both]
    assert chosen([both, C], ["b"]) == [replace(both, contenders=("B",))]


def test_what_fails_is_told_and_the_rest_is_measured() -> None:
    book = play([C, A], rounds=2)
    assert book.failures == {"gateway, A": "ValueError: no such thing"}
    assert book.spread("A", RATE) == Spread((7.0, 7.0))


def test_the_tables_leave_out_what_was_not_measured() -> None:
    text = tables(Run("2026-01-01", 2, 1, 100, 20, 60), book_of(FastTask=200.0), [])
    assert "| 200 [200 – 200] | 0 | - |" in text


def test_a_table_is_markdown() -> None:
    assert table(["a", "b"], [["x|y", 1]]) == "| a | b |\n| --- | ---: |\n| x/y | 1 |\n"


def test_the_growth_is_held_against_its_bounds() -> None:
    cost = Cost(12.0, 30.0)
    growth = Growth(
        levels=[Level(1000, 0, {"status_info, HTTPS": cost}, 700.0)],
        idle=IdleCost(50, 1.5),
        at_rest=[PartAtRest("api", 3, 100.0, 0.5), PartAtRest("worker", 4, 60.0, 0.25)],
        seconds_to_first_result=[9.0, 2.5, 2.25],
    )
    text = growth_page.tables(growth)
    assert "| 12.0 ms | 10 ms | **does not hold** |" in text
    assert "for 50 idle workers | 1.50 % of a core | 2 % of a core | holds |" in text
    assert "idle node | 160 MiB | 150 MiB | **does not hold** |" in text
    assert "idle node | 0.75 % of a core | 1 % of a core | holds |" in text
    assert "first result (2.50 [2.25 – 9.00]) | 2.50 s | 3 s | holds |" in text
    assert "| 1,000 | 0 | 12.00 [30.00] | 700 |" in text


def test_results_go_into_a_folder_that_is_made_for_them(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "results"
    subprocess.run(
        [sys.executable, "-m", "tests.bench.growth", "none-of-its-parts"],
        env={**os.environ, "BENCH_RESULTS": str(folder)}, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    assert "FastTask" in (folder / "GROWTH.md").read_text()
