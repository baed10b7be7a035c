"""Who is measured when: every contender in every round, in another order each round."""

import sys
import time
import traceback
from collections.abc import Callable, Coroutine, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

import uvloop

from tests.bench.figures import Book, Measured, shown

Measure = Callable[[], Coroutine[Any, Any, Measured]]
MeasureAll = Callable[[Sequence[str]], Coroutine[Any, Any, Mapping[str, Measured | Exception]]]


@dataclass(frozen=True, slots=True)
class Turn:
    """The measurement of one part, on fresh servers each time: of one contender, or of several."""

    part: str
    contenders: tuple[str, ...]
    measure: MeasureAll  #: those that are named

    def __str__(self) -> str:
        return f"{self.part}: {', '.join(self.contenders)}"

    def of(self, names: Set[str]) -> "Turn":
        """The same without the contenders that are not among ``names``, in small letters."""
        return replace(self, contenders=tuple(c for c in self.contenders if c.lower() in names))


def alone(part: str, contender: str, measure: Measure) -> Turn:
    """One contender's turn."""

    async def measure_all(_names: Sequence[str]) -> Mapping[str, Measured | Exception]:
        try:
            return {contender: await measure()}
        except Exception as error:
            traceback.print_exc()
            return {contender: error}

    return Turn(part, (contender,), measure_all)


def chosen(turns: Sequence[Turn], names: Sequence[str]) -> list[Turn]:
    """The turns of the named parts and of the named contenders; all if none is named."""
    parts = {turn.part for turn in turns}.intersection(names)
    contenders = {name.lower() for name in names} - parts
    of_parts = [turn for turn in turns if not parts or turn.part in parts]
    if not contenders:
        return of_parts
    return [left for turn in of_parts if (left := turn.of(contenders)).contenders]


def order(turns: Sequence[Turn], round_number: int) -> list[Turn]:
    """The turns of a round, from 1: forwards, backwards, then beginning in the middle."""
    match (round_number - 1) % 3:
        case 0:
            return list(turns)
        case 1:
            return list(reversed(turns))
    middle = len(turns) // 2
    return [*turns[middle:], *turns[:middle]]


def play(turns: Sequence[Turn], rounds: int) -> Book:
    """Measure everything, telling of the progress. What fails is noted and left out."""
    book = Book()
    total, done = rounds * len(turns), 0
    for number in range(1, rounds + 1):
        for turn in order(turns, number):
            done += 1
            _say(f"[{done}/{total}] round {number} of {rounds}: {turn} ...")
            _take(turn, book, number)
    return book


def _take(turn: Turn, book: Book, round_number: int) -> None:
    began = time.monotonic()
    measured = uvloop.run(turn.measure(turn.contenders))
    _say(f"    {time.monotonic() - began:.0f} s")
    for contender, of_one in measured.items():
        if isinstance(of_one, Exception):
            why = f"{type(of_one).__name__}: {of_one}"[:300]
            book.failures[f"{turn.part}, {contender}"] = why
            continue
        book.enter(contender, of_one, round_number)
        figures = "; ".join(f"{f.title}: {shown(v)} {f.unit}" for f, v in of_one.items())
        _say(f"    {contender}: {figures}")


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
