"""A gateway and two workers for all tests that leave them alone, and the parts to make others."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.held_jobs import let_go
from tests.integration.app.cluster import Certificate, Cluster, Gateway

MOST_UPLOAD_BYTES = 2 * 2**20
MOST_BODY_BYTES = 2**20


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """What every gateway of the tests shows."""
    return Certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="session")
def cluster(certificate: Certificate) -> Iterator[Cluster]:
    """A cluster that no test may break or reconfigure."""
    with Cluster(certificate) as cluster:
        cluster.add_worker()
        cluster.add_worker()
        yield cluster


@pytest.fixture(scope="session")
def gateway(cluster: Cluster) -> Gateway:
    """The gateway of `cluster`."""
    gateway = cluster.add_gateway(
        MAX_UPLOAD_BYTES=MOST_UPLOAD_BYTES, MAX_BODY_BYTES=MOST_BODY_BYTES
    )
    cluster.wait_ready()
    return gateway


@pytest.fixture(scope="session")
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    """A client of `gateway`."""
    with gateway.client() as client:
        yield client


@pytest.fixture
def own_cluster(certificate: Certificate) -> Iterator[Cluster]:
    """An empty cluster that the test may break."""
    with Cluster(certificate) as cluster:
        yield cluster


@pytest.fixture
def hold(client: httpx.Client, tmp_path: Path) -> Iterator[Callable[..., "Held"]]:
    """Creates jobs that run until they are let go; all are let go at the end."""
    held: list[Held] = []

    def create(**concurrency: Any) -> Held:
        one = Held(client, tmp_path / f"held{len(held)}", concurrency)
        held.append(one)
        return one

    yield create
    for one in held:
        one.let_go()


class Held:
    """A job of the task `hold`."""

    def __init__(self, client: httpx.Client, record: Path, concurrency: dict[str, Any]) -> None:
        self.record = record
        extra = {"fasttask_concurrency_params": concurrency} if concurrency else {}
        answer = client.post("/create/hold", json={"record": str(record), **extra})
        self.id: str = answer.json()["id"]

    @property
    def runs(self) -> bool:
        """Whether it has begun."""
        return self.record.exists()

    @property
    def pid(self) -> int:
        """The process that runs it."""
        return int(self.record.read_text())

    def let_go(self) -> None:
        """Have it end with SUCCESS."""
        let_go(self.record)
