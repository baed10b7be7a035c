"""Who is measured when: every contender once a round, in another order each round."""

import sys
import time
import traceback
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import uvloop

from tests.bench.figures import Book, Measured, shown


@dataclass(frozen=True, slots=True)
class Turn:
    """One contender's measurement of one part, on fresh servers each time."""

    part: str
    contender: str
    measure: Callable[[], Coroutine[Any, Any, Measured]]


def chosen(turns: Sequence[Turn], names: Sequence[str]) -> list[Turn]:
    """The turns of the named parts and of the named contenders; all if none is named."""
    parts = {turn.part for turn in turns}.intersection(names)
    contenders = {name.lower() for name in names} - parts
    return [
        turn
        for turn in turns
        if (not parts or turn.part in parts)
        and (not contenders or turn.contender.lower() in contenders)
    ]


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
            _say(f"[{done}/{total}] round {number} of {rounds}: {turn.part}, {turn.contender} ...")
            _take(turn, book, number)
    return book


def _take(turn: Turn, book: Book, round_number: int) -> None:
    began = time.monotonic()
    try:
        measured = uvloop.run(turn.measure())
    except Exception as error:
        traceback.print_exc()
        book.failures[f"{turn.part}, {turn.contender}"] = f"{type(error).__name__}: {error}"[:300]
        return
    book.enter(turn.contender, measured, round_number)
    figures = "; ".join(f"{f.title}: {shown(v)} {f.unit}" for f, v in measured.items())
    _say(f"    {time.monotonic() - began:.0f} s  {figures}")


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
