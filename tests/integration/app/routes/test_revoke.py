"""`POST /revoke`."""

import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.integration.app.conftest import Held
from tests.waiting import is_alive, wait_until


def revoke(client: httpx.Client, job_id: str) -> dict[str, Any]:
    answer = client.post("/revoke", json={"result_id": job_id})
    assert answer.status_code == 200
    shown: dict[str, Any] = answer.json()
    assert set(shown) == {"status", "result", "message"}
    assert shown["result"] == ""
    return shown


def record(client: httpx.Client, job_id: str, **query: Any) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/check/{job_id}", params=query).json()
    return found


def test_a_running_job_is_revoked_and_its_process_dead_within_two_seconds(
    client: httpx.Client, hold: Callable[..., Held]
) -> None:
    job = hold()
    wait_until(lambda: job.runs)
    answer = revoke(client, job.id)
    shown = record(client, job.id)

    assert answer["status"] == "SUCCESS"
    assert (shown["state"], shown["result_type"]) == ("REVOKED", "text")
    assert "revoked" in shown["result"]
    assert shown["started_at"] is not None
    assert shown["finished_at"] is not None
    wait_until(lambda: not is_alive(job.pid), within=2)


def test_a_waiting_job_is_revoked_and_never_starts(
    client: httpx.Client, hold: Callable[..., Held]
) -> None:
    holder, waiting, later = (
        hold(concurrency_key="revoked while waiting", max_concurrency=1) for _ in range(3)
    )
    wait_until(lambda: holder.runs)
    assert revoke(client, waiting.id)["status"] == "SUCCESS"
    shown = record(client, waiting.id)
    holder.let_go()
    wait_until(lambda: later.runs)  # it stood behind the revoked one

    assert shown["state"] == "REVOKED"
    assert (shown["tries"], shown["started_at"], shown["worker"]) == (0, None, None)
    assert not waiting.runs
    assert record(client, waiting.id) == shown


def test_a_client_that_waits_is_told_at_once(
    client: httpx.Client, hold: Callable[..., Held]
) -> None:
    job = hold()
    wait_until(lambda: job.runs)
    revoke(client, job.id)
    began = time.monotonic()

    assert record(client, job.id, wait=10)["state"] == "REVOKED"
    assert time.monotonic() - began < 2


def test_revoking_twice_is_the_same_as_once(
    client: httpx.Client, hold: Callable[..., Held]
) -> None:
    job = hold()
    first = revoke(client, job.id)
    shown = record(client, job.id)

    assert revoke(client, job.id) == first
    assert record(client, job.id) == shown


@pytest.mark.parametrize(("how", "state"), [("repeat", "SUCCESS"), ("raise_error", "FAILURE")])
def test_a_job_that_has_ended_stays_as_it_ended(client: httpx.Client, how: str, state: str) -> None:
    ended = client.post("/run/act", json={"how": how}).json()
    answer = revoke(client, ended["id"])

    assert answer["status"] == "FAILURE"
    assert state in answer["message"]
    assert record(client, ended["id"]) == ended


def test_an_unknown_job_cannot_be_revoked(client: httpx.Client) -> None:
    running_id = client.get("/status_info").json()["running_id"]
    job_id = f"{running_id}-{uuid.uuid4()}"
    answer = revoke(client, job_id)

    assert answer["status"] == "FAILURE"
    assert job_id in answer["message"]


@pytest.mark.parametrize(
    "job_id",
    ["nonsense", f"{uuid.UUID(int=1)}-{uuid.UUID(int=2)}", "\0",
     "{running_id}-2-" + str(uuid.UUID(int=1))],
)  # fmt: skip
def test_a_job_of_another_cluster_cannot_be_revoked(client: httpx.Client, job_id: str) -> None:
    running_id = client.get("/status_info").json()["running_id"]
    answer = revoke(client, job_id.format(running_id=running_id))

    assert answer["status"] == "FAILURE"
    assert "RUNNING_ID" in answer["message"]


@pytest.mark.parametrize(
    "body", [{}, {"result_id": ""}, {"result_id": 7}, {"result_id": None}, {"result_id": "x" * 257}]
)
def test_a_request_without_an_id_is_refused(client: httpx.Client, body: dict[str, Any]) -> None:
    answer = client.post("/revoke", json=body)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "result_id"]
