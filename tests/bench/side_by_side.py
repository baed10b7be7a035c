"""Gateways that run beside each other and are loaded in turn, a portion each, again and again.

A machine that others share changes its speed by half within minutes. Measured one after the other,
one gateway meets a fast minute and the next a slow one; in portions of seconds all meet the same.
"""

import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager

from tests.bench.client import percentile
from tests.bench.figures import Figure, Measured
from tests.bench.gateway_load import Loaded, Portion, Samples

PORTIONS = 5  # of each gateway in a round
SINGLES = 300  # jobs one after the other in a round

Starting = Callable[[], AbstractAsyncContextManager[Loaded]]


async def measured(gateways: Mapping[str, Starting], jobs: int) -> dict[str, Measured | Exception]:
    """Each gateway's figures, of ``jobs`` jobs over many connections each; or what failed."""
    portion = Portion(max(1, jobs // PORTIONS), SINGLES // PORTIONS)
    samples: dict[str, list[Samples]] = defaultdict(list)
    failures: dict[str, Exception] = {}
    async with AsyncExitStack() as running:
        loaded: dict[str, Loaded] = {}
        for name, starting in gateways.items():
            with _noted(name, failures):
                loaded[name] = await running.enter_async_context(starting())
                loaded[name].warm_up()
        for number in range(PORTIONS):
            for name in _in_turn([name for name in loaded if name not in failures], number):
                with _noted(name, failures):
                    samples[name].append(loaded[name].sample(portion))
    return {name: _figures(of_one) for name, of_one in samples.items()} | failures


@contextmanager
def _noted(name: str, failures: dict[str, Exception]) -> Iterator[None]:
    """Whoever fails is left out from then on."""
    try:
        yield
    except Exception as error:
        traceback.print_exc()
        failures[name] = error


def _in_turn(names: list[str], number: int) -> list[str]:
    """Each time somebody else begins, and follows somebody else."""
    first = number % max(1, len(names))
    turned = names[first:] + names[:first]
    return turned[::-1] if number % 2 else turned


def _figures(samples: list[Samples]) -> Measured:
    together: dict[Figure, list[float]] = defaultdict(list)
    for sample in samples:
        for figure, values in sample.items():
            together[figure] += values
    return {figure: percentile(values, figure.share) for figure, values in together.items()}
