"""What clients see while the queue server is away, and afterwards."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.held_jobs import let_go
from tests.integration.app.cluster import Certificate, Cluster, Gateway
from tests.integration.app.conftest import Held
from tests.waiting import eventually, wait_until

LONGEST = 6.0  # seconds until the answer is there, whatever has become of the queue server
Call = Callable[[httpx.AsyncClient, str], Awaitable[httpx.Response]]
CALLS: dict[str, Call] = {
    "run": lambda client, _: client.post("/run/add", json={"a": 1}),
    "create": lambda client, _: client.post("/create/add", json={"a": 1}),
    "check": lambda client, job_id: client.get(f"/check/{job_id}"),
    "check of a task": lambda client, job_id: client.get(f"/check/add?result_id={job_id}"),
    "wait": lambda client, job_id: client.get(f"/check/{job_id}?wait=60"),
    "revoke": lambda client, job_id: client.post("/revoke", json={"result_id": job_id}),
    "status": lambda client, _: client.get("/status_info"),
    "part of the status": lambda client, _: client.post("/status_info", json={"fields": []}),
    "readiness": lambda client, _: client.get("/readyz"),
}


def is_away(answer: httpx.Response) -> bool:
    """Whether it says that the queue server does not answer, and when to come back."""
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["content-type"] == "application/json"
    return set(answer.json()) == {"detail"}


@pytest.fixture(scope="module")
def orphan(certificate: Certificate) -> Iterator[tuple[Gateway, str]]:
    """A gateway whose queue server was killed, and the id of a job."""
    with Cluster(certificate) as cluster:
        gateway = cluster.add_gateway()
        cluster.wait_ready()
        with gateway.client() as client:
            job_id = client.post("/create/add", json={"a": 1}).json()["id"]
        cluster.queue.kill()
        yield gateway, job_id


@pytest.mark.parametrize("name", CALLS)
async def test_without_its_queue_server_a_route_answers_503_soon(
    orphan: tuple[Gateway, str], name: str
) -> None:
    gateway, job_id = orphan
    began = time.monotonic()
    async with gateway.async_client() as client:
        assert is_away(await CALLS[name](client, job_id))
    assert time.monotonic() - began < LONGEST


async def test_what_needs_no_queue_server_goes_on(orphan: tuple[Gateway, str]) -> None:
    gateway, _ = orphan
    async with gateway.async_client() as client:
        stored = (await client.post("/upload", files={"file": ("a", b"content")})).json()
        assert (await client.get("/download", params=stored)).content == b"content"
        for path in ("/healthz", "/docs", "/openapi.json"):
            assert (await client.get(path)).status_code == 200
        assert (await client.post("/create/add", json={"a": "?"})).status_code == 422
        assert (await client.get("/check/of-another-cluster")).status_code == 200


async def test_a_gateway_that_never_saw_a_queue_server_answers_503(own_cluster: Cluster) -> None:
    own_cluster.queue.kill()
    gateway = own_cluster.add_gateway()
    await eventually(lambda: "queue_server_away" in gateway.log, within=20)
    async with gateway.async_client() as client:
        for call in CALLS.values():
            assert is_away(await call(client, "some-id"))
        own_cluster.queue.start()
        own_cluster.add_worker()
        await eventually(lambda: "gateway_ready" in gateway.log)
        assert (await client.post("/run/add", json={"a": 1})).json()["result"] == {"total": 1}


async def test_with_a_queue_server_that_hangs_all_routes_answer_503_soon(
    own_cluster: Cluster, tmp_path: Path
) -> None:
    """And soon after it goes on they work, each with an answer of its own."""
    gateway = own_cluster.add_gateway()
    own_cluster.add_worker()
    own_cluster.wait_ready()
    async with gateway.async_client() as client:
        held = (await client.post("/create/hold", json={"record": str(tmp_path / "held")})).json()
        waiting = asyncio.create_task(client.get(f"/check/{held['id']}", params={"wait": 60}))
        await eventually((tmp_path / "held").exists)
        own_cluster.queue.pause()

        async def timed(call: Call) -> float:
            began = time.monotonic()
            assert is_away(await call(client, held["id"]))
            return time.monotonic() - began

        assert max(await asyncio.gather(*map(timed, CALLS.values()))) < LONGEST
        assert (await client.get("/healthz")).status_code == 200
        own_cluster.queue.resume()

        async def works() -> bool:
            return (await client.get("/readyz")).status_code == 200

        await eventually(works)
        answers = await asyncio.gather(*(client.post("/run/add", json={"a": i}) for i in range(20)))
        assert [a.json()["result"] for a in answers] == [{"total": i} for i in range(20)]
        let_go(tmp_path / "held")
        answer = await waiting
        assert is_away(answer) if answer.status_code == 503 else answer.json()["result"]


def test_what_was_acknowledged_survives_a_killed_queue_server(
    own_cluster: Cluster, tmp_path: Path
) -> None:
    """Jobs that wait, run and have ended; neither gateway nor worker is started again."""
    gateway = own_cluster.add_gateway()
    own_cluster.add_worker(WORKER_CONCURRENCY=1)
    own_cluster.wait_ready()
    with gateway.client() as client:
        running_id = client.get("/status_info").json()["running_id"]
        ended = client.post("/run/add", json={"a": 41, "b": 1}).json()
        held = Held(client, tmp_path / "held", {})
        wait_until(lambda: held.runs)
        created = [client.post("/create/add", json={"a": i}).json()["id"] for i in range(100)]
        own_cluster.queue.kill()
        assert is_away(client.post("/create/add", json={"a": 1}))
        own_cluster.queue.start()

        def states() -> Any:
            answer = client.get("/status_info")
            return answer.status_code == 200 and answer.json()

        assert wait_until(states)["running_id"] == running_id
        assert client.get(f"/check/{ended['id']}").json() == ended
        held.let_go()
        for i, job_id in enumerate(created):
            record = client.get(f"/check/{job_id}", params={"wait": 20}).json()
            assert record["result"] == {"total": i}
        assert client.get(f"/check/{held.id}", params={"wait": 20}).json()["result"]
    assert "unexpected_error" not in gateway.log


async def test_a_run_during_which_the_queue_server_is_killed_answers(
    own_cluster: Cluster, tmp_path: Path
) -> None:
    """503 with the time to come back: the result stays readable, but nobody waits for ever."""
    gateway = own_cluster.add_gateway()
    own_cluster.add_worker()
    own_cluster.wait_ready()
    record = tmp_path / "held"
    async with gateway.async_client() as client:
        running = asyncio.create_task(client.post("/run/hold", json={"record": str(record)}))
        await eventually(record.exists)
        own_cluster.queue.kill()
        began = time.monotonic()
        assert is_away(await running)
        assert time.monotonic() - began < LONGEST
