"""`/run/{task}`, `/create/{task}` and `/check/{task}`."""

import asyncio
import re
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from arq import create_pool
from arq.connections import RedisSettings

from tests.conftest import PROJECT
from tests.integration.app.cluster import Certificate, Cluster
from tests.integration.app.conftest import Held
from tests.waiting import wait_until
from workers.queue.serializer import deserialize, serialize

RECORD_FIELDS = {
    "id", "state", "result", "result_type", "created_at", "started_at", "finished_at",
    "updated_at", "tries", "worker",
}  # fmt: skip
UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
ALL_FIELDS = {
    "whole": -(10**60),
    "number": 1e-300,
    "text": '\u0000\u202eزبان\n"\\ 😀',
    "flag": True,
    "nothing": None,
    "moment": "2026-11-21T10:11:12.123456Z",
    "day": "2024-02-29",
    "span": "P1DT2H",
    "money": "12345678901234567890.123456789",
    "colour": "blue",
    "place": "/some/ü place",
    "key": "00000000-0000-4000-8000-000000000001",
    "point": {"x": -1.5, "y": 2.0, "theLabel": "here"},
    "points": [{"x": 0.0, "y": 0.5, "theLabel": None}, {"x": 1.0, "y": 0.5, "theLabel": "b"}],
    "by_name": {"": 0, "ключ": 2**64},
    "some": [7],
    "pair": [2, "two"],
    "anything": {"deep": [[[{"x": None}]]], "big": 2**70, "float": 0.1},
    "reNamed": "by its alias",
}


def moment(text: str) -> datetime:
    """The time of a job record, which is UTC in milliseconds."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    return datetime.fromisoformat(text)


def check(client: httpx.Client, job_id: str, **query: Any) -> dict[str, Any]:
    answer = client.get(f"/check/{job_id}", params=query)
    assert answer.status_code == 200
    record: dict[str, Any] = answer.json()
    return record


def test_run_answers_with_the_result_in_a_whole_job_record(client: httpx.Client) -> None:
    before = datetime.now(UTC)
    answer = client.post("/run/add", json={"a": 2, "b": 3})
    record = answer.json()

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert set(record) == RECORD_FIELDS
    assert (record["state"], record["result"], record["result_type"]) == (
        "SUCCESS", {"total": 5}, "json",
    )  # fmt: skip
    assert record["tries"] == 1
    assert re.fullmatch(r"worker@.+-[0-9a-f]{8}", record["worker"])
    created, started, finished, updated = (
        moment(record[f"{name}_at"]) for name in ("created", "started", "finished", "updated")
    )
    assert before - timedelta(seconds=1) < created <= started <= finished == updated
    assert updated < datetime.now(UTC) + timedelta(seconds=1)


def test_create_answers_at_once_with_a_pending_record(client: httpx.Client) -> None:
    record = client.post("/create/add", json={"a": 2}).json()

    assert set(record) == RECORD_FIELDS
    assert record == {
        **record,
        "state": "PENDING", "result": "", "result_type": "text", "started_at": None,
        "finished_at": None, "tries": 0, "worker": None,
    }  # fmt: skip
    assert moment(record["created_at"]) == moment(record["updated_at"])


def test_an_id_is_the_running_id_and_a_uuid(client: httpx.Client) -> None:
    running_id = client.get("/status_info").json()["running_id"]
    ids = [client.post("/create/add", json={"a": 1}).json()["id"] for _ in range(3)]

    assert len(set(ids)) == 3
    for one in ids:
        assert re.fullmatch(f"{re.escape(running_id)}-{UUID}", one)


@pytest.mark.parametrize("path", ["/check/{id}", "/check/add?result_id={id}"])
def test_both_forms_of_check_tell_the_result(client: httpx.Client, path: str) -> None:
    ran = client.post("/run/add", json={"a": 20, "b": 1}).json()

    assert client.get(path.format(id=ran["id"])).json() == ran


def test_a_running_job_shows_when_and_where_it_started(
    client: httpx.Client, hold: Callable[..., Held]
) -> None:
    job = hold()
    wait_until(lambda: job.runs)
    record = check(client, job.id)

    assert (record["state"], record["result"], record["result_type"]) == ("STARTED", "", "text")
    assert record["tries"] == 1
    assert record["worker"].startswith("worker@")
    assert record["finished_at"] is None
    assert moment(record["created_at"]) <= moment(record["started_at"])

    job.let_go()
    assert check(client, job.id, wait=10)["result"] == {"pid": job.pid}


@pytest.mark.parametrize("digits", [18, 19, 20, 100, 300])
@pytest.mark.parametrize("sign", [1, -1])
def test_integers_survive_exactly_from_end_to_end(
    client: httpx.Client, digits: int, sign: int
) -> None:
    number = sign * (10**digits - 7)

    assert client.post("/run/add", json={"a": number}).json()["result"] == {"total": number}


def test_every_kind_of_field_survives_from_end_to_end(client: httpx.Client) -> None:
    record = client.post("/run/everything", json=ALL_FIELDS).json()

    assert record["state"] == "SUCCESS", record["result"]
    assert record["result"] == ALL_FIELDS


def test_defaults_are_what_the_function_gets(client: httpx.Client) -> None:
    record = client.post("/run/everything", json={}).json()

    assert record["state"] == "SUCCESS", record["result"]
    assert record["result"]["reNamed"] == "default"
    assert record["result"]["moment"] == "2026-01-02T03:04:05+02:00"
    assert record["result"]["point"] == {"x": 1.0, "y": 0.5, "theLabel": None}


@pytest.mark.parametrize(
    ("how", "text", "told"),
    [
        ("raise_error", "wröng side", "ValueError: wröng side"),
        ("raise_unprintable", "", "Unprintable"),
        ("exit_politely", "goodbye", "SystemExit: goodbye"),
        ("return_nothing", "", "does not match Result"),
        ("return_wrong_type", "", "does not match Result: text"),
        ("return_no_field", "", "does not match Result: text: Field required"),
        ("return_surrogate", "", "surrogate"),
        ("return_itself", "", "text"),
        ("no_such_function", "", "KeyError: 'no_such_function'"),
        ("kill_itself", "", "killed by signal 9"),
    ],
)
def test_a_failure_tells_what_went_wrong(
    client: httpx.Client, how: str, text: str, told: str
) -> None:
    answer = client.post("/run/act", json={"how": how, "text": text})
    record = answer.json()

    assert answer.status_code == 200
    assert (record["state"], record["result_type"]) == ("FAILURE", "text")
    assert told in record["result"]
    assert record["finished_at"] is not None
    assert check(client, record["id"]) == record


def test_a_failure_is_told_with_its_whole_traceback(client: httpx.Client) -> None:
    result = client.post("/run/act", json={"how": "raise_error", "text": "no"}).json()["result"]

    assert result.startswith("Traceback (most recent call last):\n")
    assert 'act.py", line' in result
    assert "in raise_error" in result
    assert result.endswith("ValueError: no\n")


def test_what_a_task_prints_is_not_taken_for_its_result(client: httpx.Client) -> None:
    record = client.post("/run/act", json={"how": "say", "text": "hello"}).json()

    assert record["result"] == {"text": "hello"}


def test_a_result_of_half_a_megabyte_comes_back_whole(client: httpx.Client) -> None:
    text = 'äb😀\\"' * 50_000
    record = client.post("/run/act", json={"how": "repeat", "text": text}).json()

    assert record["result"] == {"text": text}


@pytest.mark.parametrize("method", ["run", "create"])
@pytest.mark.parametrize("task", ["no_such_task", "ADD", "add%20", "..", "packages", "act.py"])
def test_an_unknown_task_is_not_found(client: httpx.Client, method: str, task: str) -> None:
    answer = client.post(f"/{method}/{task}", json={"a": 1})

    assert answer.status_code == 404
    assert set(answer.json()) == {"detail"}


def test_check_of_an_unknown_task_is_not_found(client: httpx.Client) -> None:
    job_id = client.post("/create/add", json={"a": 1}).json()["id"]
    answer = client.get("/check/no_such_task", params={"result_id": job_id})

    assert answer.status_code == 404
    assert "no_such_task" in answer.json()["detail"]


@pytest.mark.parametrize("method", ["run", "create"])
@pytest.mark.parametrize(
    ("task", "params", "field"),
    [
        ("add", {}, ["a"]),
        ("add", {"a": "many"}, ["a"]),
        ("add", {"a": None}, ["a"]),
        ("add", {"a": 1, "b": 1.5}, ["b"]),
        ("add", {"a": 1, "b": [1]}, ["b"]),
        ("strict", {"count": 0}, ["count"]),
        ("strict", {"count": 1, "more": 2}, ["more"]),
        ("everything", {"colour": "green"}, ["colour"]),
        ("everything", {"point": {"y": 1}}, ["point", "x"]),
        ("everything", {"points": [{"x": 1}, {"x": "?"}]}, ["points", 1, "x"]),
        ("everything", {"moment": "yesterday"}, ["moment"]),
    ],
)
def test_params_that_do_not_match_are_refused_with_the_field(
    client: httpx.Client, method: str, task: str, params: dict[str, Any], field: list[Any]
) -> None:
    answer = client.post(f"/{method}/{task}", json=params)

    assert answer.status_code == 422
    assert [error["loc"] for error in answer.json()["detail"]] == [["body", *field]]


@pytest.mark.parametrize("concurrency", [None, {"concurrency_key": "any"}])
def test_params_that_forbid_extras_take_concurrency_params(
    client: httpx.Client, concurrency: dict[str, Any] | None
) -> None:
    body = {"count": 3, "fasttask_concurrency_params": concurrency}

    assert client.post("/run/strict", json=body).json()["result"] == {"count": 3}


@pytest.mark.parametrize(
    ("concurrency", "field"),
    [
        ({}, "concurrency_key"),
        ({"concurrency_key": ""}, "concurrency_key"),
        ({"concurrency_key": 7}, "concurrency_key"),
        ({"concurrency_key": "k" * 257}, "concurrency_key"),
        ({"concurrency_key": "k", "max_concurrency": 0}, "max_concurrency"),
        ({"concurrency_key": "k", "max_concurrency": -1}, "max_concurrency"),
        ({"concurrency_key": "k", "max_concurrency": 1.5}, "max_concurrency"),
        ({"concurrency_key": "k", "countdown": 0}, "countdown"),
        ({"concurrency_key": "k", "countdown": 10**10}, "countdown"),
        ({"concurrency_key": "k", "expire": True}, "expire"),
        ({"concurrency_key": "k", "max_concurrency": True}, "max_concurrency"),
        ({"concurrency_key": "k", "expire": -1}, "expire"),
        ({"concurrency_key": "k", "limit": 1}, "limit"),
    ],
)
def test_bad_concurrency_params_are_refused_with_the_field(
    client: httpx.Client, concurrency: dict[str, Any], field: str
) -> None:
    answer = client.post("/create/add", json={"a": 1, "fasttask_concurrency_params": concurrency})

    assert answer.status_code == 422
    assert {error["loc"][-1] for error in answer.json()["detail"]} == {field}


@pytest.mark.parametrize("concurrency", ["key", [], 1, True])
def test_concurrency_params_have_to_be_an_object(client: httpx.Client, concurrency: Any) -> None:
    body = {"a": 1, "fasttask_concurrency_params": concurrency}

    assert client.post("/create/add", json=body).status_code == 422


@pytest.mark.parametrize("wait", ["-1", "nan", "inf", "3601", "soon", ""])
@pytest.mark.parametrize("path", ["/check/add", "/check/some-id"])
def test_a_wait_that_is_no_time_is_refused(client: httpx.Client, path: str, wait: str) -> None:
    query = {"wait": wait} | ({"result_id": "some-id"} if path == "/check/add" else {})
    answer = client.get(path, params=query)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", "wait"]


def test_check_of_a_task_needs_an_id(client: httpx.Client) -> None:
    answer = client.get("/check/add")

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", "result_id"]


@pytest.mark.parametrize(
    "job_id",
    [
        "", "nonsense", "{running_id}", "{running_id}X-" + str(uuid.UUID(int=1)), "\0", "a b", "é*",
        "{running_id}-2-" + str(uuid.UUID(int=1)),
    ],
)  # fmt: skip
def test_an_id_of_another_cluster_is_a_failure_that_names_the_running_id(
    client: httpx.Client, job_id: str
) -> None:
    running_id = client.get("/status_info").json()["running_id"]
    job_id = job_id.format(running_id=running_id)
    answer = client.get("/check/add", params={"result_id": job_id, "wait": 5})

    assert answer.status_code == 200
    assert set(answer.json()) == RECORD_FIELDS
    assert answer.json()["id"] == job_id
    assert (answer.json()["state"], answer.json()["result_type"]) == ("FAILURE", "text")
    assert f"RUNNING_ID={running_id}" in answer.json()["result"]


def test_an_id_that_an_arq_client_chose_is_found(cluster: Cluster, client: httpx.Client) -> None:
    job_id = f"{client.get('/status_info').json()['running_id']}-2-mine"

    async def enqueue() -> None:
        async with await create_pool(
            RedisSettings(unix_socket_path=str(cluster.queue.socket)),
            job_serializer=serialize, job_deserializer=deserialize,
        ) as pool:  # fmt: skip
            await pool.enqueue_job("add", a=41, b=1, _job_id=job_id, _queue_name="arq:queue:add")

    asyncio.run(enqueue())
    assert client.get(f"/check/{job_id}?wait=10").json()["result"] == {"total": 42}
    assert "has ended" in client.post("/revoke", json={"result_id": job_id}).json()["message"]


@pytest.mark.parametrize("form", ["/check/{}", "/check/add?result_id={}"])
def test_an_unknown_id_of_this_cluster_is_a_failure_that_says_so(
    client: httpx.Client, form: str
) -> None:
    running_id = client.get("/status_info").json()["running_id"]
    job_id = f"{running_id}-{uuid.uuid4()}"
    record = client.get(form.format(job_id), params=None).json()

    assert record["state"] == "FAILURE"
    assert job_id in record["result"]
    assert "RUNNING_ID" not in record["result"]


def test_an_id_that_is_far_too_long_is_refused(client: httpx.Client) -> None:
    assert client.get("/check/add", params={"result_id": "x" * 257}).status_code == 422
    assert client.get(f"/check/{'x' * 257}").status_code == 422


def test_a_job_of_another_task_is_a_failure_that_says_so(client: httpx.Client) -> None:
    job_id = client.post("/run/strict", json={"count": 1}).json()["id"]
    record = client.get("/check/add", params={"result_id": job_id}).json()

    assert record["state"] == "FAILURE"
    assert "not one of add" in record["result"]


@pytest.fixture(scope="module")
def picky(certificate: Certificate) -> Iterator[httpx.Client]:
    """A client of a node with a task whose Params has code of its own."""
    with Cluster(certificate, PROJECT / "tests" / "picky_tasks") as cluster:
        gateway = cluster.add_gateway()
        cluster.add_worker().wait_ready()
        gateway.wait_ready()
        with gateway.client() as client:
            yield client


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "a-key"}])
@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ({"name": 5}, "AttributeError"),
        ({"colour": "green"}, "KeyError"),
        ({"option": "--what"}, "SystemExit"),
        ({"point": {"x": "nan"}}, "cannot be said in JSON"),
        ({"fasttask_concurrency_params": {"concurrency_key": ""}}, "at least 1 character"),
    ],
)
def test_whatever_a_task_checks_refuses_a_request_and_nobody_elses(
    picky: httpx.Client, sent: dict[str, Any], why: str, headers: dict[str, str]
) -> None:
    answer = picky.post("/run/picky", json=sent, headers=headers)

    assert answer.status_code == 422
    assert why in answer.text
    assert picky.post("/run/picky", json={"name": " a "}).json()["result"]["name"] == "a"
