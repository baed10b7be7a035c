"""The growth as curves: ``python -m tests.bench.growth.plot FILE.png``, JSON on its input.

It runs in the peers' environment, where matplotlib is.
"""

import json
import sys

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot


def main() -> None:
    """Draw what comes in: {"waiting": [...], "curves": {kind: [ms, ...]}}."""
    given = json.load(sys.stdin)
    figure, place = pyplot.subplots(figsize=(8, 4), layout="constrained")
    for kind, milliseconds in given["curves"].items():
        place.plot(given["waiting"], milliseconds, marker="o", label=kind)
    place.set_xscale("symlog", linthresh=1000)
    place.set_xticks(given["waiting"], [f"{number:,}" for number in given["waiting"]])
    place.minorticks_off()
    place.set_ylim(bottom=0)
    place.set_xlabel("jobs waiting")
    place.set_ylabel("median of a call, ms")
    place.grid(alpha=0.3)
    place.legend(fontsize=8)
    figure.savefig(sys.argv[1], dpi=100, metadata={"Software": None})


if __name__ == "__main__":
    main()
