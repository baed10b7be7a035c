"""`/status_info` counts a user's own jobs for him, and everybody's for admins and without users."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from config.nobody import NOBODY
from tests.integration.app.cluster import Certificate, Cluster, Gateway
from tests.integration.app.conftest import Held
from tests.waiting import wait_until
from workers.queue import keys, owners

USERS = {
    "ann": "ann's",
    "bob": {"password": "bob's", "tasks": ["add", "doze"]},
    "new": "new's",
    "eve": {"password": "eve's", "admin": True},
}
WINDOWS = ("1_minute", "15_minute", "1_hour", "1_day")


@pytest.fixture(scope="module")
def gateway(
    certificate: Certificate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """Of a cluster where nobody had made 1 job before there were users, and then

    ann 2 that succeeded, 1 that failed, 1 that runs, 1 that waits;
    bob 1 that succeeded, 1 that was revoked, 2 that wait.
    """
    with Cluster(certificate) as cluster:
        gateway = cluster.add_gateway()
        cluster.add_worker(WORKER_CONCURRENCY=1, DISABLED_TASKS="doze")
        cluster.wait_ready()
        with gateway.client() as client:
            client.post("/run/add", json={"a": 1})
            assert not _keys_of_owners(cluster)
            gateway.users_file.write_text(json.dumps(USERS))
            wait_until(lambda: client.get("/healthz").status_code == 401, within=3)
        with _client(gateway, "ann") as ann, _client(gateway, "bob") as bob:
            _do_jobs(ann, bob, tmp_path_factory.mktemp("held") / "one")
        yield gateway


def _do_jobs(ann: httpx.Client, bob: httpx.Client, record: Path) -> None:
    for client in (ann, ann, bob):
        client.post("/run/add", json={"a": 1})
    ann.post("/run/act", json={"how": "raise_error"})
    revoked = bob.post("/create/doze", json={"seconds": 1}).json()["id"]
    bob.post("/revoke", json={"result_id": revoked})
    held = Held(ann, record, {})
    wait_until(lambda: held.runs)
    for client in (ann, bob, bob):
        client.post("/create/doze", json={"seconds": 1})


def _keys_of_owners(cluster: Cluster) -> list[bytes]:
    with redis.Redis(unix_socket_path=str(cluster.queue.socket)) as server:
        return list(server.scan_iter(match=f"{keys.TOTALS}*{owners.OWNED}*"))


def _client(gateway: Gateway, who: str) -> httpx.Client:
    return gateway.client(auth=(who, f"{who}'s"))


def status(gateway: Gateway, who: str) -> dict[str, Any]:
    """All that somebody is told."""
    with _client(gateway, who) as client:
        shown: dict[str, Any] = client.get("/status_info").json()
    assert shown["username"] == who
    return shown


def amounts(info: dict[str, Any]) -> dict[str, int]:
    """The numbers by state that are not zero."""
    return {state: n for state, n in info["status_to_amount"].items() if n}


TOTALS = {
    "ann": {"SUCCESS": 2, "FAILURE": 1, "STARTED": 1, "PENDING": 1},
    "bob": {"SUCCESS": 1, "REVOKED": 1, "PENDING": 2},
    "new": {},
    "eve": {"SUCCESS": 4, "FAILURE": 1, "REVOKED": 1, "STARTED": 1, "PENDING": 3},
}


@pytest.mark.parametrize("who", TOTALS)
def test_jobs_are_counted_by_state_in_total(gateway: Gateway, who: str) -> None:
    assert amounts(status(gateway, who)["task_info_total"]) == TOTALS[who]


@pytest.mark.parametrize(
    ("who", "by_task"),
    [
        ("ann", {"add": {"SUCCESS": 2}, "act": {"FAILURE": 1}, "hold": {"STARTED": 1},
                 "doze": {"PENDING": 1}, "store": {}}),
        ("bob", {"add": {"SUCCESS": 1}, "doze": {"REVOKED": 1, "PENDING": 2}}),
        ("eve", {"add": {"SUCCESS": 4}, "act": {"FAILURE": 1}, "hold": {"STARTED": 1},
                 "doze": {"REVOKED": 1, "PENDING": 3}}),
    ],
)  # fmt: skip
def test_jobs_are_counted_by_state_and_task(
    gateway: Gateway, who: str, by_task: dict[str, dict[str, int]]
) -> None:
    shown = status(gateway, who)

    assert {task: amounts(shown[f"task_info_{task}"]) for task in by_task} == by_task


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("who", TOTALS)
def test_completed_jobs_are_counted_over_time(gateway: Gateway, who: str, window: str) -> None:
    total = status(gateway, who)["task_info_total"]

    assert total["completed_counts"][f"success_in_{window}"] == TOTALS[who].get("SUCCESS", 0)
    assert total["completed_counts"][f"failure_in_{window}"] == TOTALS[who].get("FAILURE", 0)
    per_minute = total["throughput_rates_per_second"]["success_in_1_minute"]
    assert per_minute == round(TOTALS[who].get("SUCCESS", 0) / 60, 2)


@pytest.mark.parametrize("who", TOTALS)
def test_waiting_jobs_are_counted_by_task(gateway: Gateway, who: str) -> None:
    pending = status(gateway, who)["pending_task_count"]

    assert {task: n for task, n in pending.items() if n} == (
        {"doze": TOTALS[who]["PENDING"]} if "PENDING" in TOTALS[who] else {}
    )
    assert "doze" in pending


def test_without_users_everybody_is_told_of_all_jobs(
    own_cluster: Cluster,
) -> None:
    gateway = own_cluster.add_gateway()
    own_cluster.add_worker()
    gateway.users_file.write_text(json.dumps(USERS))
    own_cluster.wait_ready()
    with _client(gateway, "ann") as ann, gateway.client() as anybody:
        ann.post("/run/add", json={"a": 1})
        gateway.users_file.unlink()
        wait_until(lambda: anybody.get("/healthz").status_code == 200, within=3)
        anybody.post("/run/add", json={"a": 1})

        shown = anybody.get("/status_info").json()
    assert shown["username"] == NOBODY
    assert amounts(shown["task_info_total"]) == {"SUCCESS": 2}
