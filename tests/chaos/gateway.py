"""All faults of the gateway, a line each: ``python -m tests.chaos.gateway [number of fault ...]``.

Two of them mount small disks and so need root.
"""

import asyncio
import os
import sys

from tests.chaos.gateway_bodies import bad_bodies, fuzzed_names
from tests.chaos.gateway_figures import Figures
from tests.chaos.gateway_full import (
    full_disk_under_the_queue,
    full_disk_under_uploads,
    full_queue_server,
)
from tests.chaos.gateway_kills import killed_gateways, lost_answers
from tests.chaos.gateway_load import clients_that_go, concurrent_creates
from tests.chaos.gateway_passwords import wrong_passwords
from tests.chaos.gateway_sizes import hostile_outcomes, large_params, large_results
from tests.chaos.gateway_slow import slow_clients
from tests.chaos.gateway_uploads import bad_uploads


async def repeated_after_kills() -> Figures:
    """As `killed_gateways`, with keys."""
    return await killed_gateways(keyed=True)


SCENARIOS = {
    killed_gateways: "9",
    repeated_after_kills: "9",
    lost_answers: "10",
    clients_that_go: "11",
    full_disk_under_uploads: "18",
    full_disk_under_the_queue: "18",
    full_queue_server: "19",
    large_params: "20",
    large_results: "20",
    concurrent_creates: "21",
    bad_uploads: "23",
    fuzzed_names: "24",
    slow_clients: "25",
    wrong_passwords: "26",
    bad_bodies: "27",
    hostile_outcomes: "28",
}
NEED_ROOT = {full_disk_under_uploads, full_disk_under_the_queue}


async def main() -> int:
    """The exit status: 0 if all bounds hold."""
    broken = 0
    for scenario, fault in SCENARIOS.items():
        if sys.argv[1:] and fault not in sys.argv[1:]:
            continue
        if scenario in NEED_ROOT and os.getuid() != 0:
            say(f"{fault:>2}  {scenario.__name__}: skipped, it needs root")
            continue
        figures = await scenario()
        broken += not figures.holds
        say(line(figures))
    return 1 if broken else 0


def line(figures: Figures) -> str:
    """Figures as one line."""
    verdict = "holds" if figures.holds else f"BROKEN: {'; '.join(figures.violations)}"
    numbers = " ".join(f"{name}={number:.4g}" for name, number in figures.numbers.items())
    return f"{figures.fault:>2}  {figures.name} ({figures.bound}): {verdict}\n    {numbers}"


def say(text: str) -> None:
    """Show progress."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
