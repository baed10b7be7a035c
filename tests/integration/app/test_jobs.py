"""Waiting for jobs, places of a concurrency key, and many clients at once."""

import asyncio
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import pytest

from tests.held_jobs import let_go
from tests.integration.app.cluster import Cluster, Gateway
from tests.integration.app.conftest import Held
from tests.waiting import eventually, wait_until
from workers.worker import POLL_SECONDS

SOON = 1.5  # seconds in which what happens at once has happened, on a busy machine too


def check(client: httpx.Client, job_id: str, **query: Any) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/check/{job_id}", params=query).json()
    return found


# ---- waiting --------------------------------------------------------------------------------


def test_a_wait_ends_with_its_time_if_the_job_does_not(
    client: httpx.Client, hold: Callable[..., Held]
) -> None:
    job = hold()
    wait_until(lambda: job.runs)
    began = time.monotonic()
    record = check(client, job.id, wait=0.4)

    assert record["state"] == "STARTED"
    assert 0.4 <= time.monotonic() - began < 0.4 + SOON


@pytest.mark.parametrize("path", ["/check/{id}", "/check/hold?result_id={id}"])
async def test_a_wait_ends_with_the_job(
    gateway: Gateway, hold: Callable[..., Held], path: str
) -> None:
    job = hold()
    await eventually(lambda: job.runs)
    separator = "&" if "?" in path else "?"
    async with gateway.async_client() as client:
        waiting = asyncio.create_task(client.get(f"{path.format(id=job.id)}{separator}wait=15"))
        await asyncio.sleep(0)
        await client.get("/healthz")
        began = time.monotonic()
        job.let_go()
        record = (await waiting).json()

    assert record["result"] == {"pid": job.pid}
    assert time.monotonic() - began < SOON


@pytest.mark.parametrize("wait", [0, 15, 3600])
def test_a_job_that_has_ended_is_not_waited_for(client: httpx.Client, wait: int) -> None:
    job_id = client.post("/run/add", json={"a": 1}).json()["id"]
    began = time.monotonic()

    assert check(client, job_id, wait=wait)["result"] == {"total": 1}
    assert time.monotonic() - began < SOON


def test_an_unknown_job_is_not_waited_for(client: httpx.Client) -> None:
    running_id = client.get("/status_info").json()["running_id"]
    began = time.monotonic()

    assert check(client, f"{running_id}-unknown", wait=15)["state"] == "FAILURE"
    assert check(client, "of-another-cluster", wait=15)["state"] == "FAILURE"
    assert time.monotonic() - began < SOON


async def test_many_may_wait_for_one_job(
    gateway: Gateway, cluster: Cluster, hold: Callable[..., Held]
) -> None:
    """Some of them on another gateway."""
    job = hold()
    other = cluster.add_gateway()
    other.wait_ready()
    await eventually(lambda: job.runs)
    async with gateway.async_client() as here, other.async_client() as there:
        waiting = [
            asyncio.create_task(client.get(f"/check/{job.id}", params={"wait": 15}))
            for client in [here, there] * 20
        ]
        await asyncio.wait(waiting, timeout=0.3)
        assert not any(one.done() for one in waiting)
        job.let_go()
        began = time.monotonic()
        records = [one.json() for one in await asyncio.gather(*waiting)]

    assert time.monotonic() - began < SOON
    assert all(record == records[0] for record in records)
    assert records[0]["result"] == {"pid": job.pid}


async def test_a_waiting_client_that_leaves_takes_nothing_with_it(
    gateway: Gateway, hold: Callable[..., Held]
) -> None:
    """Whoever else waits for the job is told of its end."""
    job = hold()
    await eventually(lambda: job.runs)
    async with gateway.async_client() as client:
        stays = asyncio.create_task(client.get(f"/check/{job.id}", params={"wait": 15}))
        leavers = [
            client.get(f"/check/{job.id}", params={"wait": 15}, timeout=0.5) for _ in range(10)
        ]
        left = await asyncio.gather(*leavers, return_exceptions=True)
        assert {type(error) for error in left} == {httpx.ReadTimeout}
        assert not stays.done()
        job.let_go()
        assert (await stays).json()["result"] == {"pid": job.pid}


async def test_a_job_whose_run_client_left_still_ends(own_cluster: Cluster, tmp_path: Path) -> None:
    gateway = own_cluster.add_gateway()
    own_cluster.add_worker()
    own_cluster.wait_ready()
    records = [tmp_path / str(i) for i in range(2)]
    async with gateway.async_client() as client:
        calls = [
            client.post("/run/hold", json={"record": str(record)}, timeout=1) for record in records
        ]
        left = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(error) for error in left} == {httpx.ReadTimeout}
        for record in records:
            await eventually(record.exists)
            let_go(record)

        async def amounts() -> Any:
            status = (await client.get("/status_info")).json()["task_info_hold"]
            return status["status_to_amount"]

        async def both_ended() -> bool:
            return bool((await amounts())["SUCCESS"] == 2)

        await eventually(both_ended, within=5)
        assert (await client.post("/run/add", json={"a": 1})).json()["result"] == {"total": 1}
    assert "Traceback" not in gateway.log


# ---- places of a concurrency key ------------------------------------------------------------


def test_a_job_that_waits_for_a_place_shows_retry_and_then_takes_it_at_once(
    client: httpx.Client, hold: Callable[..., Held]
) -> None:
    first, second = (hold(concurrency_key="one place", max_concurrency=1) for _ in range(2))
    wait_until(lambda: first.runs)
    record = wait_until(lambda: (r := check(client, second.id))["state"] == "RETRY" and r)

    assert not second.runs
    assert (record["tries"], record["result_type"]) == (0, "text")
    assert record["finished_at"] is None
    first.let_go()
    began = time.monotonic()
    wait_until(lambda: second.runs)
    assert time.monotonic() - began < SOON
    second.let_go()
    ended = check(client, second.id, wait=10)
    assert (ended["state"], ended["tries"]) == ("SUCCESS", 1)


def test_a_revoked_holder_gives_its_place_back(
    client: httpx.Client, hold: Callable[..., Held]
) -> None:
    first, second = (hold(concurrency_key="revoked holder", max_concurrency=1) for _ in range(2))
    wait_until(lambda: first.runs)
    client.post("/revoke", json={"result_id": first.id})

    wait_until(lambda: second.runs, within=3)


@pytest.mark.parametrize("other", [{"concurrency_key": "another"}, {}])
def test_other_keys_and_no_key_do_not_wait(
    hold: Callable[..., Held], other: dict[str, Any]
) -> None:
    held = hold(concurrency_key="a key of its own", max_concurrency=1)
    wait_until(lambda: held.runs)
    second = hold(**other)

    wait_until(lambda: second.runs, within=3)


def test_the_same_key_of_another_task_does_not_wait(
    client: httpx.Client, hold: Callable[..., Held]
) -> None:
    key = {"concurrency_key": "shared by two tasks", "max_concurrency": 1}
    held = hold(**key)
    wait_until(lambda: held.runs)
    answer = client.post("/run/add", json={"a": 1, "fasttask_concurrency_params": key})

    assert answer.json()["result"] == {"total": 1}


@pytest.mark.parametrize("limit", [1, 2])
async def test_over_all_workers_no_more_than_the_limit_run_at_once(
    gateway: Gateway, limit: int
) -> None:
    key = {"concurrency_key": f"at most {limit}", "max_concurrency": limit, "countdown": 30}
    body = {"seconds": 0.03, "fasttask_concurrency_params": key}
    async with gateway.async_client() as client:
        calls = (client.post("/run/doze", json=body) for _ in range(24))
        records = [answer.json() for answer in await asyncio.gather(*calls)]

    assert {record["state"] for record in records} == {"SUCCESS"}
    assert len({record["worker"] for record in records}) == 2
    runs = [record["result"] for record in records]
    assert most_at_once(runs) == limit
    # A place that gets free is taken at once and not when somebody looks again.
    begins = sorted(run["began"] for run in runs)
    assert median(later - earlier for earlier, later in pairwise(begins)) < POLL_SECONDS / 2


def most_at_once(runs: list[dict[str, float]]) -> int:
    """How many of them overlap at the worst moment."""
    edges = sorted([(r["began"], 1) for r in runs] + [(r["ended"], -1) for r in runs])
    level = most = 0
    for _, step in edges:
        level += step
        most = max(most, level)
    return most


# ---- many clients ---------------------------------------------------------------------------


async def test_32_clients_at_once_get_each_its_own_results(gateway: Gateway) -> None:
    async def one_client(number: int) -> None:
        async with gateway.async_client() as client:
            for turn in range(10):
                params = {"a": number * 1000 + turn, "b": 10**20}
                job_id = (await client.post("/create/add", json=params)).json()["id"]
                record = (await client.get(f"/check/{job_id}", params={"wait": 30})).json()
                assert record["id"] == job_id
                assert record["result"] == {"total": number * 1000 + turn + 10**20}

    await asyncio.gather(*(one_client(number) for number in range(32)))


async def test_many_runs_over_one_client_are_not_mixed_up(gateway: Gateway) -> None:
    async with gateway.async_client() as client:
        answers = await asyncio.gather(
            *(client.post("/run/add", json={"a": i}) for i in range(200))
        )

    assert [answer.json()["result"] for answer in answers] == [{"total": i} for i in range(200)]


# ---- results expire -------------------------------------------------------------------------


def test_a_result_that_has_expired_is_a_failure_that_says_so(own_cluster: Cluster) -> None:
    gateway = own_cluster.add_gateway(RESULT_EXPIRES=1)
    own_cluster.add_worker(RESULT_EXPIRES=1)
    own_cluster.wait_ready()
    with gateway.client() as client:
        ran = client.post("/run/add", json={"a": 1}).json()
        assert ran["state"] == "SUCCESS"
        expired = wait_until(lambda: (r := check(client, ran["id"])) != ran and r, within=5)
        revoked = client.post("/revoke", json={"result_id": ran["id"]}).json()

    assert (expired["state"], expired["result_type"]) == ("FAILURE", "text")
    assert "expired" in expired["result"]
    assert revoked["status"] == "FAILURE"
