"""Gateways that run beside each other and are loaded in turn, a portion each, again and again.

A machine that others share changes its speed by half within minutes. Measured one after the other,
one gateway meets a fast minute and the next a slow one; in portions of seconds all meet the same.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from tests.bench.client import percentile
from tests.bench.figures import Figure, Measured
from tests.bench.gateway_load import Loaded, Portion, Samples

PORTIONS = 5  # of each gateway in a round
SINGLES = 300  # jobs one after the other in a round

Starting = Callable[[], AbstractAsyncContextManager[Loaded]]


async def measured(gateways: Mapping[str, Starting], jobs: int) -> dict[str, Measured]:
    """The figures of each gateway, of ``jobs`` jobs where it has many connections."""
    portion = Portion(jobs // PORTIONS, SINGLES // PORTIONS)
    samples: dict[str, list[Samples]] = defaultdict(list)
    async with AsyncExitStack() as running:
        loaded = {name: await running.enter_async_context(g()) for name, g in gateways.items()}
        for gateway in loaded.values():
            gateway.warm_up()
        for number in range(PORTIONS):
            for name in _in_turn(list(loaded), number):
                samples[name].append(loaded[name].sample(portion))
    return {name: _figures(of_one) for name, of_one in samples.items()}


def _in_turn(names: list[str], number: int) -> list[str]:
    """Each time somebody else begins."""
    first = number % len(names)
    return names[first:] + names[:first]


def _figures(samples: list[Samples]) -> dict[Figure, float]:
    together: dict[Figure, list[float]] = defaultdict(list)
    for sample in samples:
        for figure, values in sample.items():
            together[figure] += values
    return {figure: percentile(values, figure.share) for figure, values in together.items()}
