"""The proxy: a link that is cut, silent, forgotten, slow, and counts what is said."""

import asyncio
import random
import time
from collections.abc import AsyncIterator

import pytest
import redis.asyncio
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from tests.chaos.proxy import Proxy
from tests.queue_server import QueueServer


@pytest.fixture
async def link(shared_server: QueueServer) -> AsyncIterator[Proxy]:
    proxy = await Proxy(shared_server.socket, random.Random(1)).start()
    yield proxy
    await proxy.close()


@pytest.fixture
async def client(link: Proxy) -> AsyncIterator[redis.asyncio.Redis]:
    client = redis.asyncio.from_url(link.url, socket_timeout=0.3)
    assert await client.ping()
    yield client
    await client.aclose()


async def test_a_cut_link_is_closed_until_it_heals(
    link: Proxy, client: redis.asyncio.Redis
) -> None:
    link.cut()
    with pytest.raises(RedisConnectionError):
        await client.ping()
    link.heal()
    assert await client.ping()


async def test_what_was_sent_into_a_black_hole_arrives_afterwards(
    link: Proxy, client: redis.asyncio.Redis
) -> None:
    await client.delete("sent")
    link.black_hole()
    with pytest.raises(RedisTimeoutError):
        await client.incr("sent")
    link.heal()
    await asyncio.sleep(0.1)
    assert await client.get("sent") == b"1"


async def test_a_half_open_connection_is_silent_and_a_new_one_works(
    link: Proxy, client: redis.asyncio.Redis
) -> None:
    link.half_open()
    with pytest.raises(RedisTimeoutError):
        await client.ping()
    assert await client.ping()


@pytest.mark.parametrize(
    ("name", "value"), [("delay", 0.05), ("bytes_per_second", 280), ("loss", 0.3)]
)
async def test_a_bad_link_takes_its_time(link: Proxy, name: str, value: float) -> None:
    patient = redis.asyncio.from_url(link.url)
    assert await patient.ping()
    setattr(link, name, value)
    begin = time.monotonic()
    for _ in range(4):
        assert await patient.ping()
    assert time.monotonic() - begin > 0.2
    await patient.aclose()


async def test_commands_are_counted_when_they_have_passed(
    link: Proxy, client: redis.asyncio.Redis
) -> None:
    passed: list[bytes] = []
    link.on_command = lambda command: passed.append(command[0])
    await client.set("a", "b" * 100_000)
    await client.get("a")
    assert passed == [b"SET", b"GET"]
