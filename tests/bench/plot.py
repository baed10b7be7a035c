"""The results as bars: ``python -m tests.bench.plot FILE.png``, the figures as JSON on its input.

It runs in the peers' environment, where matplotlib is.
"""

import json
import sys
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

OURS, OTHERS = "#0b6e4f", "#9aa5b1"


def main() -> None:
    """Draw what comes in: {"bars": title -> [[name, median, least, most], ...]}.

    The first chart takes the left side, the others stand in rows of two beside it.
    """
    charts: dict[str, list[list[Any]]] = json.load(sys.stdin)["bars"]
    first, *others = charts.items()
    rows = max(2, (len(others) + 1) // 2)
    figure = pyplot.figure(figsize=(13, 1.7 * rows), layout="constrained")
    grid = figure.add_gridspec(rows, 3)
    _draw(figure.add_subplot(grid[:, 0]), *first)
    for number, chart in enumerate(others):
        _draw(figure.add_subplot(grid[number // 2, 1 + number % 2]), *chart)
    figure.savefig(sys.argv[1], dpi=100, metadata={"Software": None})


def _draw(place: Any, title: str, bars: list[list[Any]]) -> None:
    names, medians, least, most = zip(*reversed(bars), strict=True)
    errors = [
        [m - low for m, low in zip(medians, least, strict=True)],
        [high - m for m, high in zip(medians, most, strict=True)],
    ]
    colours = [OURS if name == "FastTask" else OTHERS for name in names]
    place.barh(names, medians, xerr=errors, color=colours, height=0.7, ecolor="#444444", capsize=2)
    for row, (median, high) in enumerate(zip(medians, most, strict=True)):
        text = f"  {median:,.0f}" if median >= 20 else f"  {median:.1f}"
        place.text(high, row, text, va="center", fontsize=8)
    place.set_title(title, fontsize=8.5, loc="left")
    place.margins(x=0.15)
    place.tick_params(labelsize=8)
    for side in ("top", "right"):
        place.spines[side].set_visible(False)


if __name__ == "__main__":
    main()
