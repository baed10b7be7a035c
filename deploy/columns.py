"""Rows for people to read on a terminal."""

from collections.abc import Iterable


def in_columns(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """The lines of a table, each column as wide as it needs to be."""
    lines = [head, *(tuple(map(_printable, row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]


def _printable(text: str) -> str:
    """Whatever others wrote, it must not steer the terminal that shows it."""
    return "".join(character if character.isprintable() else "?" for character in text)
