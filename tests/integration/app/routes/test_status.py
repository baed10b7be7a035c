"""`/status_info` of a cluster of which all jobs are known."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.app.cluster import Certificate, Cluster
from tests.integration.app.conftest import Held
from tests.waiting import wait_until

TASKS = ["act", "add", "constrained", "doze", "everything", "hold", "store", "strict"]
WINDOWS = {"1_minute": 60, "15_minute": 900, "1_hour": 3600, "1_day": 86400}
STATES = ["PENDING", "STARTED", "RETRY", "SUCCESS", "FAILURE", "REVOKED"]
FIELDS = ["worker_status", "task_info", "pending_task_count"]


@pytest.fixture(scope="module")
def busy(certificate: Certificate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A client of a cluster with a known mix of jobs, and the jobs that run.

    5 succeeded, 3 failed, 1 was revoked, 2 run, one on each worker, 3 wait.
    """
    folder: Path = tmp_path_factory.mktemp("held")
    with Cluster(certificate) as cluster:
        gateway = cluster.add_gateway()
        for _ in range(2):
            cluster.add_worker(WORKER_CONCURRENCY=1, DISABLED_TASKS="doze")
        cluster.wait_ready()
        with gateway.client() as client:
            for i in range(5):
                client.post("/run/add", json={"a": i})
            for _ in range(3):
                client.post("/run/act", json={"how": "raise_error"})
            revoked = client.post("/create/doze", json={"seconds": 1}).json()["id"]
            client.post("/revoke", json={"result_id": revoked})
            held = [Held(client, folder / str(i), {}) for i in range(2)]
            for one in held:
                wait_until(lambda one=one: one.runs)
            for _ in range(3):
                client.post("/create/doze", json={"seconds": 1})
            yield client, held


def status(client: httpx.Client, *fields: str) -> dict[str, Any]:
    answer = client.post("/status_info", json={"fields": fields})
    assert answer.status_code == 200
    shown: dict[str, Any] = answer.json()
    return shown


def amounts(client: httpx.Client, task: str) -> dict[str, int]:
    counted: dict[str, int] = status(client, "task_info")[task]["status_to_amount"]
    return counted


@pytest.mark.parametrize("fields", [[], FIELDS, *([one] for one in FIELDS), ["task_info"] * 2])
def test_only_the_wanted_fields_are_answered(busy: Any, fields: list[str]) -> None:
    names = {
        "worker_status": {"worker_status"},
        "pending_task_count": {"pending_task_count"},
        "task_info": {"task_info_total", *(f"task_info_{task}" for task in TASKS)},
    }
    wanted = set().union(*(names[field] for field in fields))

    assert set(status(busy[0], *fields)) == {"running_id", "username", *wanted}


def test_get_answers_with_all_fields(busy: Any) -> None:
    client, _ = busy
    whole = client.get("/status_info").json()

    assert set(whole) == set(status(client, *FIELDS))
    assert whole["username"] == "Anonymous"


@pytest.mark.parametrize(
    "body",
    [{}, {"fields": "task_info"}, {"fields": ["taskinfo"]}, {"fields": ["task_info", None]},
     {"fields": None}, {"fields": {"task_info": 1}}],
)  # fmt: skip
def test_an_unknown_field_is_refused(busy: Any, body: dict[str, Any]) -> None:
    answer = busy[0].post("/status_info", json=body)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][:2] == ["body", "fields"]


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("task_info_total", {"SUCCESS": 5, "FAILURE": 3, "REVOKED": 1, "STARTED": 2, "PENDING": 3}),
        ("task_info_add", {"SUCCESS": 5}),
        ("task_info_act", {"FAILURE": 3}),
        ("task_info_hold", {"STARTED": 2}),
        ("task_info_doze", {"REVOKED": 1, "PENDING": 3}),
        ("task_info_store", {}),
    ],
)
def test_jobs_are_counted_by_state(busy: Any, task: str, expected: dict[str, int]) -> None:
    assert amounts(busy[0], task) == {state: expected.get(state, 0) for state in STATES}


def test_waiting_jobs_are_counted_by_task(busy: Any) -> None:
    pending = status(busy[0], "pending_task_count")["pending_task_count"]

    assert pending == {**dict.fromkeys(TASKS, 0), "doze": 3}


@pytest.mark.parametrize("window", WINDOWS)
def test_completed_jobs_are_counted_over_time(busy: Any, window: str) -> None:
    total = status(busy[0], "task_info")["task_info_total"]

    assert total["completed_counts"][f"success_in_{window}"] == 5
    assert total["completed_counts"][f"failure_in_{window}"] == 3
    rates = total["throughput_rates_per_second"]
    assert set(rates) == set(total["completed_counts"])
    assert rates[f"success_in_{window}"] == round(5 / WINDOWS[window], 2)


def test_both_workers_are_shown_with_what_they_do(busy: Any) -> None:
    client, held = busy

    def active() -> list[str]:
        details = status(client, "worker_status")["worker_status"]["worker_details"]
        return sorted(job["id"] for one in details.values() for job in one["active_tasks"])

    wait_until(lambda: active() == sorted(job.id for job in held), within=3)
    shown = status(client, "worker_status")["worker_status"]
    assert set(shown) == {"online_worker_count", "online_workers_list", "worker_details"}
    assert shown["online_worker_count"] == 2
    assert shown["online_workers_list"] == sorted(shown["worker_details"])
    for name, details in shown["worker_details"].items():
        assert name.startswith("worker@")
        assert details["concurrency"] == 1
        assert details["tasks"] == [task for task in TASKS if task != "doze"]
        assert details["uptime"] >= 0
        assert details["max_rss"] > 10_000
        assert [job["task"] for job in details["active_tasks"]] == ["hold"]
