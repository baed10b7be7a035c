"""What one user may ask of a gateway: requests, waiting jobs, depth."""

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.integration.app.cluster import Certificate, Cluster, Gateway
from tests.waiting import wait_until

ANN, BOB, EVE = ("ann", "1"), ("bob", "2"), ("eve", "3")


@pytest.fixture(scope="module")
def limited(certificate: Certificate) -> Iterator[Gateway]:
    """A gateway with low limits and two users; nobody runs their jobs."""
    with Cluster(certificate) as cluster:
        gateway = cluster.add_gateway(
            MAX_REQUESTS_PER_SECOND=10,
            MAX_WAITING_JOBS=2,
            MAX_PARAMS_DEPTH=3,
            MAX_PARAMS_VALUES=100,
        )
        gateway.users_file.write_text(json.dumps(dict((ANN, BOB, EVE))))
        with gateway.client() as client:
            wait_until(lambda: "gateway_ready" in gateway.log, within=30)
            wait_until(lambda: client.get("/healthz").status_code == 401)
        yield gateway


@pytest.fixture
def client(limited: Gateway) -> Iterator[httpx.Client]:
    """A client of it; each test is another user, for requests are remembered."""
    with limited.client() as client:
        yield client


def test_who_asks_too_much_is_told_when_to_ask_again_and_others_are_not(
    client: httpx.Client,
) -> None:
    answers = [client.get("/none", auth=ANN) for _ in range(30)]
    refused = [answer for answer in answers if answer.status_code == 429]

    assert len(refused) >= 10
    assert refused[0].headers["retry-after"] == "1"
    assert "requests" in refused[0].json()["detail"]
    assert client.get("/none", auth=BOB).status_code == 404
    assert client.get("/healthz", auth=ANN).status_code == 200


def test_so_many_jobs_may_wait(client: httpx.Client) -> None:
    def create() -> httpx.Response:
        return client.post("/create/add", json={"a": 1}, auth=BOB)

    first, second, third = create(), create(), create()

    assert (first.status_code, second.status_code, third.status_code) == (200, 200, 429)
    assert "wait" in third.json()["detail"]
    assert int(third.headers["retry-after"]) > 0
    client.post("/revoke", json={"result_id": first.json()["id"]}, auth=BOB)
    assert create().status_code == 200


def test_a_body_may_be_so_deep(client: httpx.Client) -> None:
    deep, too_deep = (
        client.post("/create/add", json={"a": nested}, auth=EVE) for nested in ([[1]], [[[1]]])
    )

    assert (deep.status_code, too_deep.status_code) == (422, 422)
    assert "valid integer" in deep.text
    assert "nested deeper than 3 levels" in too_deep.text


def test_a_body_may_hold_so_many_values(client: httpx.Client) -> None:
    """Names are none, nor is what stands in a text."""
    text = "[,{" * 1000
    few, too_many = (
        client.post("/create/add", json={"a": {text: text, "many": [1] * n}}, auth=EVE)
        for n in (96, 99)
    )

    assert (few.status_code, too_many.status_code) == (422, 422)
    assert "valid integer" in few.text
    assert "more than 100 values" in too_many.text
