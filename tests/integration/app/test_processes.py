"""A gateway of several processes: they share a socket, and all come and go with the first one."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from config.settings import PROJECT_ROOT
from tests.integration.app.cluster import Cluster, Gateway
from tests.waiting import eventually, is_alive
from tests.worker_process import parents


@pytest.fixture
def gateway(own_cluster: Cluster) -> Iterator[Gateway]:
    """A gateway of two processes, and the one that looks after them."""
    gateway = own_cluster.add_gateway(UVICORN_WORKERS=2)
    gateway.wait_ready()
    yield gateway
    gateway.kill()


def servers(gateway: Gateway) -> set[int]:
    """The live processes that serve."""
    first = gateway.process.pid
    return {pid for pid, parent in parents().items() if parent == first and is_alive(pid)}


def run_to_its_end(program: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT_ROOT, capture_output=True, timeout=20
    )


async def test_one_that_ends_is_replaced(gateway: Gateway) -> None:
    before = servers(gateway)
    assert len(before) == 2

    os.kill(min(before), signal.SIGKILL)
    await eventually(lambda: len(servers(gateway) - {min(before)}) == 2)

    assert max(before) in servers(gateway)
    assert "api_process_ended" in gateway.log
    with gateway.client() as client:
        assert all(client.get("/healthz").status_code == 200 for _ in range(5))


async def test_all_serve_and_log(gateway: Gateway) -> None:
    await eventually(lambda: gateway.log.count("gateway_ready") == 2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_is_a_stop_of_all(gateway: Gateway, number: signal.Signals) -> None:
    all_of_them = servers(gateway)

    gateway.process.send_signal(number)

    assert gateway.process.wait(10) == 0
    assert not any(map(is_alive, all_of_them))
    assert "api_process_ended" not in gateway.log


def test_a_failure_to_serve_ends_all() -> None:
    program = (
        "import sys\n"
        "from app.processes import ApiProcesses\n"
        "def serve(): raise OSError('no socket')\n"
        "sys.exit(ApiProcesses(2, serve).run())\n"
    )
    ended = run_to_its_end(program)
    assert ended.returncode == 1
    assert b"api_process_failed" in ended.stderr


def test_a_stop_while_one_of_them_ends_is_a_clean_one() -> None:
    """The signal comes when the process is gone, and before it is known to be."""
    program = (
        "import os, signal, sys\n"
        "from app.processes import ApiProcesses\n"
        "wait = os.wait\n"
        "def wait_and_be_told():\n"
        "    ended = wait()\n"
        "    signal.raise_signal(signal.SIGTERM)\n"
        "    return ended\n"
        "os.wait = wait_and_be_told\n"
        "sys.exit(ApiProcesses(1, lambda: None).run())\n"
    )
    ended = run_to_its_end(program)
    assert (ended.returncode, ended.stderr) == (0, b"")


async def test_all_die_with_the_first(gateway: Gateway) -> None:
    all_of_them = servers(gateway)

    gateway.process.kill()

    await eventually(lambda: not any(map(is_alive, all_of_them)), within=1)
