"""`/healthz` and `/readyz`."""

import httpx
import pytest

from tests.integration.app.cluster import Cluster
from tests.waiting import wait_until


def test_a_gateway_with_its_queue_server_and_worker_is_ready(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}


def tells_of_the_worker(answer: httpx.Response) -> bool:
    """And not of the queue server, which is there, and where to look."""
    text = answer.json()["detail"]
    return "no worker" in text and "worker.log" in text and "queue server" not in text


@pytest.mark.parametrize(
    ("node_type", "status"), [("single_node", 503), ("distributed_master", 200)]
)
def test_only_a_node_with_a_worker_needs_one(
    own_cluster: Cluster, node_type: str, status: int
) -> None:
    gateway = own_cluster.add_gateway(
        NODE_TYPE=node_type, API_HOST="127.0.0.1", TASK_QUEUE_PASSWD="unused"
    )
    own_cluster.wait_ready()
    with gateway.client() as client:
        answer = client.get("/readyz")

        assert client.get("/healthz").status_code == 200
        assert answer.status_code == status
        assert status == 200 or (answer.headers["retry-after"] and tells_of_the_worker(answer))


def test_readiness_follows_the_worker(own_cluster: Cluster) -> None:
    gateway, worker = own_cluster.add_gateway(), own_cluster.add_worker()
    own_cluster.wait_ready()
    with gateway.client() as client:
        wait_until(lambda: client.get("/readyz").status_code == 200)
        worker.stop()
        wait_until(lambda: client.get("/readyz").status_code == 503, within=3)
        own_cluster.add_worker().wait_ready()
        wait_until(lambda: client.get("/readyz").status_code == 200)


def test_a_gateway_without_its_queue_server_is_alive_but_not_ready(own_cluster: Cluster) -> None:
    gateway = own_cluster.add_gateway(NODE_TYPE="distributed_master", API_HOST="127.0.0.1",
                                      TASK_QUEUE_PASSWD="unused")  # fmt: skip
    own_cluster.wait_ready()
    own_cluster.queue.kill()
    with gateway.client() as client:
        assert client.get("/healthz").status_code == 200
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert set(answer.json()) == {"detail"}
