"""What many idle workers cost the queue server they wait at."""

import asyncio
import sys
import tempfile
from contextlib import AbstractContextManager, AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis

from tests.bench.environment import TASKS
from tests.bench.growth.proc import available_mib, cpu_share
from tests.bench.peer_process import running
from tests.bench.queue_server import Address, running_queue_server
from tests.waiting import eventually
from workers.queue import keys

MANY = 50
WORKER_MIB = 60.0  # of a worker with one slot: parent, fork server and child
START_SECONDS = 240.0
SETTLE_SECONDS = 10.0
WATCHED_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class IdleCost:
    """What ``workers`` idle workers took of the queue server's processor, in percent of one."""

    workers: int
    cpu_percent: float


async def measured(wanted: int = MANY) -> IdleCost:
    """The cost of ``wanted`` real workers of one slot, or of as many as there is memory for."""
    count = min(wanted, int(0.8 * available_mib() / WORKER_MIB))
    with running_queue_server() as server, tempfile.TemporaryDirectory() as folder:
        async with AsyncExitStack() as started, _client(server) as redis:
            for number in range(count):
                started.enter_context(_worker(server, Path(folder) / str(number)))
            await _all_seen(redis, count)
            pid = int((await redis.info("server"))["process_id"])
            return IdleCost(count, cpu_share([pid], WATCHED_SECONDS)[pid])


def _client(server: Address) -> Redis:
    return Redis(unix_socket_path=str(server.socket))


def _worker(server: Address, folder: Path) -> AbstractContextManager[None]:
    folder.mkdir()
    given = {
        "NODE_TYPE": "distributed_worker",
        "MASTER_HOST": "127.0.0.1",
        "TASK_QUEUE_URL": f"unix://{server.socket}",
        "FILES_DIR": folder,
        "TASKS_DIR": TASKS,
        "WORKER_CONCURRENCY": 1,
    }
    return running(Path(sys.executable), ["-m", "workers"], given, folder / "log")


async def _all_seen(redis: Redis, count: int) -> None:
    async def seen() -> bool:
        return int(await redis.zcard(keys.WORKERS)) == count

    await eventually(seen, START_SECONDS)
    await asyncio.sleep(SETTLE_SECONDS)
