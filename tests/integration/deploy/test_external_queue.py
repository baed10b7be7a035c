"""A queue server of the user's own is refused if it may lose jobs, unless he says so."""

from collections.abc import Callable

import pytest
from redis import Redis

from config.errors import ConfigurationError
from config.settings import Settings
from deploy.external_queue import check_external_queue
from tests.queue_server import QueueServer

MEMORY = 64 * 2**20


def configure(server: QueueServer, **settings: object) -> None:
    with Redis.from_url(server.url) as client:
        for name, value in settings.items():
            client.config_set(name.replace("_", "-"), str(value))


def test_a_server_that_keeps_everything_is_taken(
    own_server: QueueServer, make_settings: Callable[..., Settings]
) -> None:
    check_external_queue(make_settings(task_queue_url=own_server.url))


def test_each_way_to_lose_jobs_is_named(
    own_server: QueueServer, make_settings: Callable[..., Settings]
) -> None:
    configure(own_server, maxmemory=MEMORY, maxmemory_policy="allkeys-lru", appendonly="no")
    settings = make_settings(task_queue_url=own_server.url)
    with pytest.raises(ConfigurationError) as refusal:
        check_external_queue(settings)
    evicts, forgets = refusal.value.lines
    assert "allkeys-lru" in evicts
    assert "append-only" in forgets
    assert all("TASK_QUEUE_MAY_LOSE_JOBS=True" in line for line in refusal.value.lines)


def test_it_is_taken_when_told_so(
    own_server: QueueServer, make_settings: Callable[..., Settings]
) -> None:
    configure(own_server, appendonly="no")
    settings = make_settings(task_queue_url=own_server.url, task_queue_may_lose_jobs=True)
    check_external_queue(settings)


def test_a_server_that_is_away_is_not_judged(make_settings: Callable[..., Settings]) -> None:
    check_external_queue(make_settings(task_queue_url="unix:///nowhere/at/all.sock"))


@pytest.mark.parametrize(
    "url", ["ftp://hush", "redis://:hush/hush@there:1/0", "redis://there/0?hush=1"]
)
def test_an_address_that_is_none_is_told_without_what_may_be_secret(
    make_settings: Callable[..., Settings], url: str
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        check_external_queue(make_settings(task_queue_url=url))
    [line] = refusal.value.lines
    assert line.startswith("TASK_QUEUE_URL is no address")
    assert "percent-encode" in line
    assert "hush" not in line
