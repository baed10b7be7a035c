"""dramatiq with its two default processes of eight threads and its Redis results."""

from importlib.metadata import version
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from tests.bench.peers.address import URL
from tests.bench.peers.peer import Peer

broker = RedisBroker(url=URL)
broker.add_middleware(Results(backend=RedisBackend(url=URL), store_results=True))
dramatiq.set_broker(broker)

PEER = Peer(
    name="dramatiq",
    version=version("dramatiq"),
    worker=("dramatiq", "tests.bench.peers.dramatiq", "--processes", "2", "--skip-logging"),
    runs_in="one of 8 threads of 2 processes; an exception at a time limit",
    acknowledges="after the result; a killed worker's jobs are run again after a minute",
    remaining="return redis.call('HLEN', 'dramatiq:default.msgs')",
)


@dramatiq.actor
def noop(number: int) -> dict[str, int]:
    """Nothing but the way there and back."""
    return {"number": number}


def enqueue(count: int) -> list[str]:
    """Queue ``count`` jobs; their ids."""
    return [noop.send(number).message_id for number in range(count)]


def read(ids: list[str]) -> list[Any]:
    """The results of jobs."""
    message = noop.message(0)
    return [message.copy(message_id=job_id).get_result() for job_id in ids]
