"""A peer's backlog: queued in its own way, drained by its own workers, read back at the end."""

from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis

from tests.bench.backlog import DRAINED, MISSING, drained_rate
from tests.bench.environment import OURS, PEERS
from tests.bench.figures import Measured
from tests.bench.peer_process import asked, running
from tests.bench.peers.peer import Peer, peer_of
from tests.bench.queue_server import Address, running_queue_server

# Plain arq is in our own environment: it wants an older redis-py than the others' newest versions.
MODULES = {
    "huey": PEERS,
    "saq": PEERS,
    "dramatiq": PEERS,
    "celery": PEERS,
    "taskiq": PEERS,
    "streaq": PEERS,
    "rq": PEERS,
    "arq": OURS,
}
MOST_MISSING = 0.01  # of all jobs; with more the rate would mean nothing


@dataclass(frozen=True, slots=True)
class PeerBacklog:
    """A peer, and where it is installed."""

    module: str
    programs: Path
    peer: Peer

    def size(self, jobs: int) -> int:
        """How many of ``jobs`` this one is given."""
        return min(jobs, self.peer.most_jobs)

    async def drained(self, jobs: int) -> Measured:
        """The rate at which its workers drain a backlog, and how many results are not there.

        Raises:
            RuntimeError: too many are not there.
        """
        count = self.size(jobs)
        with running_queue_server() as server:
            ids = asked(
                self.programs, self.module, "enqueue", str(count), variables=server.variables
            )
            rate = await self._rate(server, count)
            return {DRAINED: rate, MISSING: self._missing(server, ids)}

    async def _rate(self, server: Address, count: int) -> float:
        program, *arguments = self.peer.worker
        # Its addresses were unknown when it described itself.
        arguments = [argument.format(port=server.port) for argument in arguments]
        log = server.socket.with_name("worker.log")
        async with Redis(unix_socket_path=str(server.socket)) as redis:

            async def remaining() -> int:
                return int(await redis.eval(self.peer.remaining, 0, str(count)))  # type: ignore[misc]

            with running(self.programs / program, arguments, server.variables, log):
                return await drained_rate(count, remaining)

    def _missing(self, server: Address, ids: list[str]) -> int:
        results = asked(self.programs, self.module, "read", variables=server.variables, given=ids)
        expected = ({"number": number} for number in range(len(ids)))
        wrong = [r for r, e in zip(results, expected, strict=True) if r != e]
        if len(wrong) > MOST_MISSING * len(ids):
            raise RuntimeError(f"{len(wrong)} of {len(ids)} results are missing: {wrong[:3]} ...")
        return len(wrong)


def peers() -> list[PeerBacklog]:
    """All peers, described by themselves."""
    return [
        PeerBacklog(module, programs, peer_of(asked(programs, module, "describe", variables={})))
        for module, programs in MODULES.items()
    ]
