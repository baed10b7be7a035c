"""`/dead_letters`: jobs that could not be run, and how to run them again."""

import re
import subprocess
import sys
import uuid
from datetime import datetime
from typing import Any

import httpx
import pytest
from redis import Redis

from tests.integration.app.cluster import Cluster, Gateway
from tests.queue_server import QueueServer
from tests.waiting import wait_until
from workers.queue import keys

FIELDS = {
    "id", "task", "owner", "died_at", "created_at", "worker", "reason", "attempts", "replayable",
}  # fmt: skip
KILLER = {"how": "kill_itself", "text": "dead"}


def die(client: httpx.Client) -> dict[str, Any]:
    """The record of a job that killed its process until it was given up."""
    record: dict[str, Any] = client.post("/run/act", json=KILLER).json()
    assert record["state"] == "FAILURE", record
    return record


def letters(client: httpx.Client, **query: Any) -> dict[str, dict[str, Any]]:
    answer = client.get("/dead_letters", params=query)
    assert answer.status_code == 200
    assert set(answer.json()) == {"total", "dead_letters"}
    return {letter["id"]: letter for letter in answer.json()["dead_letters"]}


def replay(client: httpx.Client, letter_id: str) -> httpx.Response:
    return client.post("/dead_letters/replay", json={"result_id": letter_id})


def put_garbage(server: QueueServer, task: str) -> str:
    """A job that nobody can read; its id."""
    job_id = str(uuid.uuid4())
    with Redis(unix_socket_path=str(server.socket)) as redis:
        redis.set(keys.JOB + job_id, b"\x80\x04K\x01.")
        redis.zadd(keys.queue(task), {job_id: 1})
    return job_id


def command(gateway: Gateway, *arguments: str, **environment: str) -> "subprocess.CompletedProcess":
    """``python -m deploy dead-letters`` for the node of this gateway."""
    return subprocess.run(
        [sys.executable, "-m", "deploy", "dead-letters", *arguments],
        env={**gateway.environment, **environment},
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


def test_a_job_that_killed_its_workers_is_listed(client: httpx.Client) -> None:
    record = die(client)
    letter = letters(client)[record["id"]]

    assert set(letter) == FIELDS
    assert letter == {
        **letter,
        "task": "act", "owner": "Anonymous", "died_at": record["finished_at"],
        "created_at": record["created_at"], "worker": record["worker"],
        "reason": record["result"], "attempts": 3, "replayable": True,
    }  # fmt: skip
    assert "killed by signal 9" in letter["reason"]
    assert datetime.fromisoformat(letter["died_at"]).tzinfo is not None


def test_a_task_that_raises_is_not_listed(client: httpx.Client) -> None:
    record = client.post("/run/act", json={"how": "raise_error"}).json()

    assert record["id"] not in letters(client)


def test_the_latest_come_first_and_the_limit_counts(client: httpx.Client) -> None:
    ids = [die(client)["id"] for _ in range(2)]

    assert list(letters(client))[:2] == ids[::-1]
    assert list(letters(client, limit=1)) == [ids[1]]
    assert client.get("/dead_letters", params={"limit": 1}).json()["total"] >= 2


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "many", ""])
def test_a_limit_that_is_none_is_refused(client: httpx.Client, limit: str) -> None:
    answer = client.get("/dead_letters", params={"limit": limit})

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", "limit"]


def test_a_replay_is_a_new_job_with_the_same_parameters(client: httpx.Client) -> None:
    before = die(client)
    made = replay(client, before["id"]).json()
    ended = client.get(f"/check/{made['id']}", params={"wait": 15}).json()

    assert made["state"] == "PENDING"
    assert made["id"] != before["id"]
    assert made["id"].partition("-")[0] == before["id"].partition("-")[0]
    assert "killed by signal 9" in ended["result"]
    assert client.get(f"/check/{before['id']}").json() == before
    assert before["id"] not in letters(client)
    assert made["id"] in letters(client), "it killed its workers as well"


def test_a_letter_can_be_replayed_once(client: httpx.Client) -> None:
    letter_id = die(client)["id"]

    assert replay(client, letter_id).status_code == 200
    again = replay(client, letter_id)
    assert again.status_code == 404
    assert letter_id in again.json()["detail"]


def test_an_unreadable_job_is_listed_and_cannot_be_replayed(
    client: httpx.Client, cluster: Cluster
) -> None:
    job_id = put_garbage(cluster.queue, "act")
    letter = wait_until(lambda: letters(client).get(job_id), within=10)

    assert "not arq's JSON" in letter["reason"]
    assert letter["replayable"] is False
    answer = replay(client, job_id)
    assert answer.status_code == 422
    assert "unreadable" in answer.json()["detail"]
    assert job_id in letters(client)


@pytest.mark.parametrize(
    "body", [{}, {"result_id": ""}, {"result_id": 1}, {"result_id": "x" * 257}]
)
def test_a_replay_without_an_id_is_refused(client: httpx.Client, body: dict[str, Any]) -> None:
    answer = client.post("/dead_letters/replay", json=body)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "result_id"]


def test_the_routes_can_be_switched_off(own_cluster: Cluster) -> None:
    gateway = own_cluster.add_gateway(API_DEAD_LETTERS="False")
    own_cluster.wait_ready()
    with gateway.client() as client:
        assert client.get("/dead_letters").status_code == 404
        assert replay(client, "any").status_code == 404
        paths = client.get("/openapi.json").json()["paths"]
    shown = command(gateway)

    assert not [path for path in paths if path.startswith("/dead_letters")]
    assert (shown.returncode, "404" in shown.stdout) == (1, True)


# ---- the command ----------------------------------------------------------------------------


def test_the_command_shows_a_table(client: httpx.Client, gateway: Gateway) -> None:
    record = die(client)
    shown = command(gateway, "--limit", "1")
    head, row, *_ = shown.stdout.splitlines()

    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert head.split() == ["id", "task", "when", "attempts", "reason"]
    cells = re.split(" {2,}", row)
    assert cells[:4] == [record["id"], "act", record["finished_at"], "3"]
    assert cells[4] == record["result"].strip().splitlines()[-1]


def test_the_command_replays(client: httpx.Client, gateway: Gateway) -> None:
    letter_id = die(client)["id"]
    done, again = (command(gateway, "--replay", letter_id) for _ in range(2))

    assert done.returncode == 0, done.stdout + done.stderr
    new_id = done.stdout.split()[-1]
    assert client.get(f"/check/{new_id}").json()["created_at"] is not None
    assert again.returncode == 1
    assert letter_id in again.stdout


def test_with_users_the_routes_are_the_admins_and_the_command_the_nodes(
    own_cluster: Cluster,
) -> None:
    gateway = own_cluster.add_gateway()
    own_cluster.wait_ready()
    (gateway.users_file.parent / "node_token").write_text("ft_own")
    gateway.users_file.write_text('{"ann": "1", "eve": {"password": "2", "admin": true}}')
    with gateway.client() as client:
        wait_until(lambda: client.get("/dead_letters").status_code == 401)
        by_ann, by_eve = (
            client.get("/dead_letters", auth=user) for user in [("ann", "1"), ("eve", "2")]
        )
        replayed = client.post("/dead_letters/replay", json={"result_id": "x"}, auth=("ann", "1"))
    shown = command(gateway)

    assert (by_ann.status_code, replayed.status_code, by_eve.status_code) == (403, 403, 200)
    assert "admin" in by_ann.json()["detail"]
    assert (shown.returncode, shown.stdout) == (0, "there are no dead letters\n")


def test_the_command_says_why_there_is_no_answer(own_cluster: Cluster) -> None:
    gateway = own_cluster.add_gateway()
    own_cluster.wait_ready()
    gateway.kill()
    shown = command(gateway)

    assert shown.returncode == 1
    assert gateway.url in shown.stdout
    assert "Traceback" not in shown.stdout + shown.stderr
