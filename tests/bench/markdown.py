"""Tables in Markdown."""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[object]], texts: int = 1) -> str:
    """A table whose first ``texts`` columns are text and whose others are numbers."""
    rule = ["---"] * texts + ["---:"] * (len(head) - texts)
    return "\n".join(_line(cells) for cells in (head, rule, *rows)) + "\n"


def _line(cells: Sequence[object]) -> str:
    """A line of a table; a bar in a cell would end it."""
    return "| " + " | ".join(str(cell).replace("|", "/") for cell in cells) + " |"
