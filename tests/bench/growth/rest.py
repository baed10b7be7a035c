"""What a node costs that does nothing, and how long it takes to its first result."""

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

from deploy.node import running_pid
from deploy.parts import parts_of_node
from deploy.processes import family
from tests.bench.environment import PROJECT, environment
from tests.bench.growth.proc import cpu_share, pss_mib
from tests.bench.node import deploy, free_port, running_node

SETTLE_SECONDS = 10.0
WATCHED_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class PartAtRest:
    """One part of an idle node with the processes that it started."""

    name: str
    processes: int
    pss_mib: float
    cpu_percent: float  #: of one processor


def node_at_rest() -> list[PartAtRest]:
    """The parts of an idle node with two slots and two API processes."""
    with running_node() as node:
        time.sleep(SETTLE_SECONDS)
        supervisor = running_pid(node.settings)
        assert supervisor is not None
        members = {
            part.name: {process.pid for process in family(part.pid)}
            for part in parts_of_node(node.settings)
        }
        members["supervisor"] = {process.pid for process in family(supervisor)}.difference(
            *members.values()
        )
        shares = cpu_share(set().union(*members.values()), WATCHED_SECONDS)
        return [
            PartAtRest(name, len(pids), pss_mib(pids), sum(shares[pid] for pid in pids))
            for name, pids in members.items()
        ]


def seconds_to_first_result() -> float:
    """How long `make up` takes on an installed node, which ends when it shows an example's result.

    The node is a new one: its certificate and its queue server's files are made as well.
    """
    with tempfile.TemporaryDirectory(prefix="ft-bench-") as files:
        given = {"FILES_DIR": files, "API_PORT": free_port()}
        installed = f"{sys.prefix}/.installed"
        began = time.perf_counter()
        done = subprocess.run(
            ["make", f"VENV={sys.prefix}", "--old-file", installed, "up"],
            cwd=PROJECT, env=environment(given), capture_output=True, text=True,
        )  # fmt: skip
        seconds = time.perf_counter() - began
        try:
            if done.returncode or "->" not in done.stdout:
                raise RuntimeError(f"make up: {done.stdout}{done.stderr}")
        finally:
            deploy("down", given)
    return seconds
