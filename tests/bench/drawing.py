"""Has a plot drawn in the peers' environment, where matplotlib is."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.bench import gateway_load
from tests.bench.backlog import DRAINED
from tests.bench.environment import PEERS, PROJECT, environment
from tests.bench.figures import Book, Figure


def draw(module: str, given: dict[str, Any], path: Path) -> None:
    """Give ``given`` to a plotting module and have it write ``path``."""
    subprocess.run(
        [PEERS / "python", "-m", module, path],
        cwd=PROJECT, env=environment({}), input=json.dumps(given), text=True, check=True,
    )  # fmt: skip


def bars(book: Book) -> dict[str, Any]:
    """What the plot of the comparison shows: a chart for each figure of several contenders."""
    charts = {_title(figure): _bars(book, figure) for figure in (DRAINED, *gateway_load.ALL)}
    return {"bars": {title: chart for title, chart in charts.items() if chart}}


def _title(figure: Figure) -> str:
    better = "more" if figure.more_is_better else "less"
    return f"{figure.title}\n({figure.unit}; {better} is better)"


def _bars(book: Book, figure: Figure) -> list[list[Any]]:
    spreads = {
        contender: spread
        for contender, measured in book.entries
        if measured == figure and (spread := book.spread(contender, figure))
    }
    return [
        [name, spread.median, min(spread.values), max(spread.values)]
        for name, spread in sorted(
            spreads.items(),
            key=lambda item: item[1].median,
            reverse=figure.more_is_better,
        )
    ]
