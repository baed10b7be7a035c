"""What is told about a peer: how to start it, what it promises, and how to see that it is done."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Peer:
    """One task queue, run as its users run it on two cores."""

    name: str
    version: str
    worker: tuple[str, ...]  #: a program of the peer's environment and its arguments
    runs_in: str  #: what a task shares its process with
    acknowledges: str  #: when a job counts as done, and so what a killed worker loses
    remaining: str  #: Lua, a number: jobs that have not ended; ARGV[1] is how many there were
    reached_by: str = "unix socket"  #: how its processes reach the queue server
    most_jobs: int = 1_000_000  #: a slow peer gets a smaller backlog, or a round would take minutes


def peer_of(described: dict[str, Any]) -> Peer:
    """A peer from its description as JSON."""
    return Peer(**{**described, "worker": tuple(described["worker"])})
