"""What all tests share: a clean environment, settings, and a queue server when asked for."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from arq.connections import ArqRedis
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from config.settings import Settings, load_settings
from tests.queue_server import QueueServer
from workers.queue.broker import Broker
from workers.queue.connection import connect

PROJECT = Path(__file__).resolve().parent.parent
SAMPLE_TASKS = PROJECT / "tests" / "sample_tasks"

hypothesis_settings.register_profile(
    "fasttask", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.register_profile(
    "ci", hypothesis_settings.get_profile("fasttask"), derandomize=True, database=None
)


def pytest_configure() -> None:
    """The same examples in every run of CI; new ones, and a memory, on a developer's machine."""
    hypothesis_settings.load_profile("ci" if "CI" in os.environ else "fasttask")


@pytest.fixture(autouse=True)
def clean_environment(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No setting of whoever runs the tests, no `.env`, and our packages for every subprocess."""
    for field in Settings.model_fields:
        monkeypatch.delenv(field.upper(), raising=False)
        monkeypatch.delenv(field, raising=False)
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    monkeypatch.chdir(tmp_path_factory.mktemp("cwd"))


@pytest.fixture
def make_settings(tmp_path: Path) -> Callable[..., Settings]:
    """Settings of a node of its own, with the sample tasks."""

    def make(**overrides: Any) -> Settings:
        given = {"tasks_dir": SAMPLE_TASKS, "files_dir": tmp_path / "files", **overrides}
        settings = load_settings(**given)
        settings.conf_dir.mkdir(parents=True, exist_ok=True)
        return settings

    return make


@pytest.fixture(scope="session")
def shared_server() -> Iterator[QueueServer]:
    """One queue server for all tests that leave it alive."""
    with QueueServer() as server:
        yield server


@pytest.fixture
def own_server() -> Iterator[QueueServer]:
    """A queue server that the test may kill, pause or configure."""
    with QueueServer() as server:
        yield server


@pytest.fixture
async def redis(
    shared_server: QueueServer, make_settings: Callable[..., Settings]
) -> AsyncIterator[ArqRedis]:
    """A client of an empty queue server, connected as the product connects."""
    client = connect(make_settings(task_queue_url=shared_server.url))
    await client.flushall()
    yield client
    await client.aclose(close_connection_pool=True)


@pytest.fixture
def broker(redis: ArqRedis) -> Broker:
    """The door to an empty queue server."""
    return Broker(redis, result_expires=600, lease=30)


@pytest.fixture
async def own_redis(
    own_server: QueueServer, make_settings: Callable[..., Settings]
) -> AsyncIterator[ArqRedis]:
    """A client of a server that the test may mistreat."""
    client = connect(make_settings(task_queue_url=own_server.url))
    yield client
    await client.aclose(close_connection_pool=True)


@pytest.fixture
def own_broker(own_redis: ArqRedis) -> Broker:
    """The door to a server that the test may mistreat."""
    return Broker(own_redis, result_expires=600)
