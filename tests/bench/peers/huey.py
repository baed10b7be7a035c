"""huey with two worker processes; its results stay until they are read."""

from importlib.metadata import version
from typing import Any

from huey import RedisHuey

from tests.bench.peers.address import URL
from tests.bench.peers.peer import Peer

huey = RedisHuey("bench", url=URL)

PEER = Peer(
    name="huey",
    version=version("huey"),
    worker=("huey_consumer", "tests.bench.peers.huey.huey", "-k", "process", "-w", "2", "-q"),
    runs_in="the worker process itself; no time limit",
    acknowledges="when it is taken: a killed worker loses its job",
    remaining="return ARGV[1] - redis.call('HLEN', 'huey.results.bench')",
)


@huey.task()
def noop(number: int) -> dict[str, int]:
    """Nothing but the way there and back."""
    return {"number": number}


def enqueue(count: int) -> list[str]:
    """Queue ``count`` jobs; their ids."""
    return [noop(number).id for number in range(count)]


def read(ids: list[str]) -> list[Any]:
    """The results of jobs."""
    return [huey.result(job_id, preserve=True) for job_id in ids]
