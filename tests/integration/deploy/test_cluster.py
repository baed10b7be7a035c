"""Whole nodes that lose processes while jobs run, seen from outside."""

import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from deploy.gateway import Gateway
from deploy.node import running_pid
from deploy.processes import PROC, family, living
from tests.conftest import SAMPLE_TASKS
from tests.held_jobs import let_go
from tests.integration.deploy.conftest import Commands
from tests.waiting import wait_until

PASSWORD = "a-passw0rd-that-is-looked-for"
SHORT_LEASE = {"lease_seconds": 3, "heartbeat_seconds": 0.5, "tasks_dir": SAMPLE_TASKS}


@pytest.fixture
def cluster(
    commands: Callable[..., Commands], free_port: Callable[[], int]
) -> tuple[Commands, Commands, Commands]:
    """A master and two workers that run; only the second knows the task `echo`."""
    queue = {"task_queue_port": free_port(), "task_queue_passwd": PASSWORD}
    worker = {"node_type": "distributed_worker", "master_host": "127.0.0.1", **queue}
    nodes = (
        commands(node_type="distributed_master", api_host="127.0.0.1", **queue, **SHORT_LEASE),
        commands(enabled_tasks="hold", **worker, **SHORT_LEASE),
        commands(enabled_tasks="hold,echo", **worker, **SHORT_LEASE),
    )
    for node in nodes:
        up = node("up")
        assert up.returncode == 0, up.stdout
    gateway = Gateway(nodes[0].settings)
    wait_until(lambda: len(workers_of(gateway)) == 2)
    return nodes


def workers_of(gateway: Gateway) -> dict[str, Any]:
    status = gateway.post("/status_info", {"fields": ["worker_status"]}).json()
    details: dict[str, Any] = status["worker_status"]["worker_details"]
    return details


def create_hold(gateway: Gateway, record: Path) -> str:
    """A job that runs until `record`.go is there; it has begun when this returns."""
    created = gateway.post("/create/hold", {"record": str(record)})
    assert created.status == 200, created
    wait_until(record.exists)
    job_id: str = created.json()["id"]
    return job_id


def ended(gateway: Gateway, job_id: str) -> dict[str, Any]:
    record: dict[str, Any] = gateway.get(f"/check/{job_id}?wait=30", timeout=40).json()
    return record


def kill_whole_node(settings: Settings) -> None:
    """As if its machine had gone: they are stopped first, so that none sees another one's end."""
    pid = running_pid(settings)
    assert pid is not None
    members = family(pid)
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for process in members:
            with contextlib.suppress(ProcessLookupError):  # it went with its parent
                os.kill(process.pid, number)
    wait_until(lambda: not living(members))


def test_work_goes_where_it_is_enabled_and_a_killed_node_loses_nothing(
    cluster: tuple[Commands, Commands, Commands], tmp_path: Path
) -> None:
    master, *workers = cluster
    gateway = Gateway(master.settings)
    record = tmp_path / "record"
    job_id = create_hold(gateway, record)
    wait_until(lambda: any(w["active_tasks"] for w in workers_of(gateway).values()))
    busy = next(name for name, w in workers_of(gateway).items() if w["active_tasks"])
    node = next(w for w in workers if (w.settings.conf_dir / "node_id").read_text() in busy)

    kill_whole_node(node.settings)
    wait_until(lambda: len(record.read_text().splitlines()) == 2, within=20)
    let_go(record)

    end = ended(gateway, job_id)
    assert (end["state"], end["tries"]) == ("SUCCESS", 2)
    assert end["worker"] != busy


def test_the_password_is_in_no_log_and_on_no_command_line(
    cluster: tuple[Commands, Commands, Commands],
) -> None:
    for node in cluster:
        pid = running_pid(node.settings)
        assert pid is not None
        for process in family(pid):
            assert PASSWORD.encode() not in (PROC / str(process.pid) / "cmdline").read_bytes()
        for log in node.settings.log_dir.iterdir():
            assert PASSWORD not in log.read_text(), log


@pytest.mark.parametrize("durability", ["everysec", "always"])
def test_an_acknowledged_job_survives_the_death_of_every_process(
    commands: Callable[..., Commands], tmp_path: Path, durability: str
) -> None:
    node = commands(durability=durability, **SHORT_LEASE)
    assert node("up").returncode == 0
    gateway = Gateway(node.settings)
    record = tmp_path / "record"
    running = create_hold(gateway, record)
    waiting = [gateway.post("/create/echo", {"value": n}).json()["id"] for n in range(20)]

    kill_whole_node(node.settings)
    let_go(record)
    assert node("up").returncode == 0

    assert ended(gateway, running)["state"] == "SUCCESS"
    results = [ended(gateway, job_id) for job_id in waiting]
    assert [r["state"] for r in results] == ["SUCCESS"] * 20
