"""`Idempotency-Key`: a request that is repeated gets the job of the first one."""

import asyncio
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.held_jobs import let_go
from tests.integration.app.cluster import Cluster, Gateway
from tests.waiting import eventually, wait_until

ROUTES = ["run", "create"]


@pytest.fixture
def key() -> str:
    """A key that nobody used before."""
    return str(uuid.uuid4())


def post(client: httpx.Client, path: str, key: str, body: Any) -> httpx.Response:
    return client.post(path, json=body, headers={"Idempotency-Key": key})


def job_of(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


@pytest.mark.parametrize("first", ROUTES)
@pytest.mark.parametrize("second", ROUTES)
def test_the_same_request_gets_the_same_job(
    client: httpx.Client, key: str, first: str, second: str
) -> None:
    ids = {job_of(post(client, f"/{route}/add", key, {"a": 1})) for route in (first, second)}

    assert len(ids) == 1


def test_a_repeated_run_of_a_job_that_ended_answers_its_record(
    client: httpx.Client, key: str
) -> None:
    ran = post(client, "/run/add", key, {"a": 1}).json()

    assert ran["result"] == {"total": 1}
    for route in ROUTES:
        assert post(client, f"/{route}/add", key, {"a": 1}).json() == ran


def test_a_repeated_create_answers_the_job_as_it_stands(
    client: httpx.Client, key: str, tmp_path: Path
) -> None:
    record = tmp_path / "held"
    job_id = job_of(post(client, "/create/hold", key, {"record": str(record)}))
    wait_until(record.exists)
    again = post(client, "/create/hold", key, {"record": str(record)}).json()
    let_go(record)
    ended = post(client, "/run/hold", key, {"record": str(record)}).json()

    assert (again["id"], again["state"], again["tries"]) == (job_id, "STARTED", 1)
    assert (ended["id"], ended["state"], ended["tries"]) == (job_id, "SUCCESS", 1)


async def test_repeated_runs_over_two_gateways_wait_for_the_same_end(
    gateway: Gateway, cluster: Cluster, key: str, tmp_path: Path
) -> None:
    record = tmp_path / "held"
    other = cluster.add_gateway()
    other.wait_ready()
    headers = {"Idempotency-Key": key}
    async with gateway.async_client() as here, other.async_client() as there:
        runs = [
            asyncio.create_task(
                one.post("/run/hold", json={"record": str(record)}, headers=headers)
            )
            for one in [here, there] * 10
        ]
        await eventually(record.exists)
        await asyncio.wait(runs, timeout=0.3)
        assert not any(run.done() for run in runs)
        let_go(record)
        records = [run.json() for run in await asyncio.gather(*runs)]

    assert records[0]["state"] == "SUCCESS"
    assert all(one == records[0] for one in records)


async def test_a_hundred_at_once_over_two_gateways_make_one_job(
    gateway: Gateway, cluster: Cluster, key: str
) -> None:
    other = cluster.add_gateway()
    other.wait_ready()
    headers = {"Idempotency-Key": key}
    async with gateway.async_client() as here, other.async_client() as there:
        answers = await asyncio.gather(
            *(one.post("/create/add", json={"a": 1}, headers=headers) for one in [here, there] * 50)
        )

    assert len({job_of(answer) for answer in answers}) == 1


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "other", [{"a": 2}, {"a": 1, "b": 5}, {"a": 1, "fasttask_concurrency_params": {
        "concurrency_key": "k"}}],
)  # fmt: skip
def test_another_body_is_refused_with_a_reason(
    client: httpx.Client, key: str, route: str, other: dict[str, Any]
) -> None:
    post(client, "/create/add", key, {"a": 1})
    answer = post(client, f"/{route}/add", key, other)

    assert answer.status_code == 422
    assert "Idempotency-Key" in answer.json()["detail"]
    assert "another body" in answer.json()["detail"]


@pytest.mark.parametrize("text", ['{"b": 7, "a": 1}', ' {"a":1,\n"b":7}', '{"\\u0061":1,"b":7}'])
def test_the_body_may_be_written_in_another_way(client: httpx.Client, key: str, text: str) -> None:
    headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
    job_id = job_of(post(client, "/create/add", key, {"a": 1, "b": 7}))

    assert job_of(client.post("/create/add", content=text, headers=headers)) == job_id


def test_another_key_or_task_or_none_is_another_job(client: httpx.Client, key: str) -> None:
    body = {"count": 1, "a": 1}
    ids = [
        job_of(post(client, "/create/add", key, body)),
        job_of(post(client, "/create/add", key + "x", body)),
        job_of(post(client, "/create/act", key, {"how": "repeat"})),
        job_of(client.post("/create/add", json=body)),
        job_of(client.post("/create/add", json=body)),
    ]

    assert len(set(ids)) == len(ids)


def test_a_request_that_was_refused_leaves_the_key_free(client: httpx.Client, key: str) -> None:
    assert post(client, "/create/add", key, {"a": "many"}).status_code == 422

    job_of(post(client, "/create/add", key, {"a": 1}))


@pytest.mark.parametrize("good", ["x", "x" * 256, '"8e03978e"', "!~:;,./|\\"])
def test_any_visible_ascii_is_a_key(client: httpx.Client, good: str) -> None:
    assert post(client, "/create/add", good, {"a": 1}).status_code == 200


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "bad", [b"", b"x" * 257, b"a b", "ключ".encode(), b"\xff", b"tab\tbed"], ids=repr
)
def test_another_key_is_refused_with_the_headers_name(
    client: httpx.Client, route: str, bad: bytes
) -> None:
    answer = client.post(f"/{route}/add", json={"a": 1}, headers={b"Idempotency-Key": bad})

    assert answer.status_code == 422
    assert [error["loc"] for error in answer.json()["detail"]] == [["header", "Idempotency-Key"]]


@pytest.mark.parametrize("route", ROUTES)
def test_the_header_is_in_the_schema(client: httpx.Client, route: str) -> None:
    schema = client.get("/openapi.json").json()
    (header,) = schema["paths"][f"/{route}/add"]["post"]["parameters"]

    assert (header["name"], header["in"], header["required"]) == (
        "Idempotency-Key", "header", False,
    )  # fmt: skip
    assert "same job" in header["description"]


def test_users_do_not_share_keys(own_cluster: Cluster, key: str) -> None:
    gateway = own_cluster.add_gateway()
    own_cluster.wait_ready()
    gateway.users_file.write_text('{"ann": "1", "eve": "2"}')
    with gateway.client(auth=("ann", "1")) as ann, gateway.client(auth=("eve", "2")) as eve:
        wait_until(lambda: ann.get("/healthz").status_code == 200)
        wait_until(lambda: httpx.get(
            gateway.url + "/healthz", verify=gateway.context, trust_env=False
        ).status_code == 401)  # fmt: skip
        ids = [job_of(post(one, "/create/add", key, {"a": 1})) for one in (ann, eve, ann, eve)]

    assert ids[:2] == ids[2:]
    assert ids[0] != ids[1]


def test_a_key_whose_result_has_expired_makes_a_new_job(own_cluster: Cluster, key: str) -> None:
    gateway = own_cluster.add_gateway(RESULT_EXPIRES=1)
    own_cluster.add_worker(RESULT_EXPIRES=1)
    own_cluster.wait_ready()

    def run(client: httpx.Client, number: int) -> httpx.Response:
        return post(client, "/run/add", key, {"a": number})

    with gateway.client() as client:
        first = run(client, 1)
        second: httpx.Response = wait_until(
            lambda: (r := run(client, 2)).status_code == 200 and r, within=5
        )

    assert first.json()["result"] == {"total": 1}
    assert second.json()["result"] == {"total": 2}
    assert job_of(first) != job_of(second)


def test_a_killed_queue_server_forgets_no_key(own_cluster: Cluster, key: str) -> None:
    gateway = own_cluster.add_gateway()
    own_cluster.wait_ready()
    with gateway.client() as client:
        job_id = job_of(post(client, "/create/add", key, {"a": 1}))
        own_cluster.queue.kill()
        assert post(client, "/create/add", key, {"a": 1}).status_code == 503
        own_cluster.queue.start()
        answer: httpx.Response = wait_until(
            lambda: (r := post(client, "/create/add", key, {"a": 1})).status_code == 200 and r,
            within=15,
        )

    assert job_of(answer) == job_id
