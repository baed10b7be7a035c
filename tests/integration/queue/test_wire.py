"""Exchanges on a connection of one's own: replies are taken by who asked, or by nobody."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable

import pytest
import uvloop
from arq.connections import ArqRedis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from config.settings import Settings
from tests.queue_server import QueueServer
from tests.queue_state import blocked_clients
from tests.waiting import eventually
from workers.queue.connection import connect
from workers.queue.listeners import LONGEST_SILENCE, Subscription
from workers.queue.wire import Wire, command, packed

FOREVER = 5.0  # seconds; each exchange here takes less, or has a bound of its own


def words(*arguments: str | bytes | int) -> bytes:
    return command([packed(*arguments)])


async def test_replies_come_in_order_and_errors_in_their_places(redis: ArqRedis) -> None:
    wire = Wire(redis, FOREVER)

    one, refused, many = await wire.exchange(
        [words("ECHO", "one"), words("NOSUCHTHING"), words("MGET", "a", "b")]
    )
    assert (one, many) == (b"one", [None, None])
    assert isinstance(refused, ResponseError)
    assert "NOSUCHTHING" in str(refused)


async def test_a_large_reply_comes_whole(redis: ArqRedis) -> None:
    large = b"\r\n$1\r\n" * 500_000
    wire = Wire(redis, FOREVER)

    assert await wire.exchange([words("SET", "k", large), words("GET", "k")]) == [b"OK", large]


async def test_the_late_reply_to_a_cancelled_exchange_is_nobodys(redis: ArqRedis) -> None:
    wire = Wire(redis, FOREVER)
    blocked = asyncio.create_task(wire.exchange([words("BLPOP", "list", 0)]))
    await eventually(lambda: has_client_that_waits(redis))
    blocked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await blocked

    await redis.lpush("list", "late")
    assert await wire.exchange([words("ECHO", "mine")]) == [b"mine"]


async def has_client_that_waits(redis: ArqRedis) -> bool:
    return await blocked_clients(redis) > 0


async def test_an_exchange_that_takes_too_long_ends_and_the_next_one_is_right(
    redis: ArqRedis,
) -> None:
    wire = Wire(redis, 0.2)

    with pytest.raises(TimeoutError):
        await wire.exchange([words("BLPOP", "list", 0)])
    await redis.lpush("list", "late")
    assert await wire.exchange([words("ECHO", "mine")]) == [b"mine"]


async def test_a_connection_that_breaks_under_an_exchange_is_told_and_made_anew(
    own_server: QueueServer, own_redis: ArqRedis
) -> None:
    wire = Wire(own_redis, FOREVER)
    blocked = asyncio.create_task(wire.exchange([words("BLPOP", "list", 0)]))
    await eventually(lambda: has_client_that_waits(own_redis))

    own_server.kill()
    with pytest.raises(RedisConnectionError):
        await blocked
    own_server.start()
    assert await wire.exchange([words("ECHO", "again")]) == [b"again"]


async def test_a_connection_that_was_closed_at_rest_is_made_anew_before_it_is_used(
    redis: ArqRedis,
) -> None:
    wire = Wire(redis, FOREVER)
    [number] = await wire.exchange([words("CLIENT", "ID")])
    await redis.client_kill_filter(_id=number)
    await asyncio.sleep(0.05)  # it is closed by now, on both sides: nothing tells of it

    [again] = await wire.exchange([words("CLIENT", "ID")])
    assert again != number


class ClosingServer:
    """Answers logins; as long as it is ``unsound`` it closes each connection right behind that."""

    def __init__(self, *, abruptly: bool) -> None:
        self._abruptly = abruptly
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._socket.getsockname()[1]}"
        self.unsound = True
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the test is over
            while True:
                client, _ = self._socket.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            login = b""
            while login.count(b"LIB-") < 2:  # the library tells its name and version
                login += client.recv(1000)
            client.sendall(b"+OK\r\n+OK\r\n")
            if self.unsound and self._abruptly:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            while not self.unsound and client.recv(1000):
                client.sendall(b"+PONG\r\n")

    def close(self) -> None:
        self._socket.close()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("abruptly", [True, False])
def test_a_connection_that_is_lost_right_after_the_login_is_told_and_made_anew(
    make_settings: Callable[..., Settings], run: Callable[..., None], abruptly: bool
) -> None:
    server = ClosingServer(abruptly=abruptly)

    async def exchanges() -> None:
        for _ in range(20):  # when it is seen to be closed differs
            redis = connect(make_settings(task_queue_url=server.url))
            wire = Wire(redis, FOREVER)
            server.unsound = True
            with pytest.raises((RedisConnectionError, OSError)):
                await wire.exchange([words("PING")])
            server.unsound = False
            assert await wire.exchange([words("PING")]) == [b"PONG"]
            await redis.aclose(close_connection_pool=True)

    run(exchanges())
    server.close()


async def test_what_was_not_asked_for_is_not_taken_for_an_answer(redis: ArqRedis) -> None:
    wire = Wire(redis, FOREVER)

    two_that_are_said_to_be_one = words("ECHO", "one") + words("ECHO", "two")
    assert await wire.exchange([two_that_are_said_to_be_one]) == [b"one"]
    assert await wire.exchange([words("ECHO", "three")]) == [b"three"]


async def test_a_refused_subscription_is_tried_again(
    redis: ArqRedis, caplog: pytest.LogCaptureFixture
) -> None:
    await redis.execute_command("ACL", "SETUSER", "default", "resetchannels")
    heard: list[bytes | None] = []
    listening = asyncio.create_task(Subscription(redis, "channel").listen(heard.append))
    try:
        await eventually(lambda: any("NOPERM" in str(vars(r)) for r in caplog.records))
        assert heard == []
        await redis.execute_command("ACL", "SETUSER", "default", "allchannels")
        await eventually(lambda: heard == [None], within=15)
    finally:
        await redis.execute_command("ACL", "SETUSER", "default", "allchannels")
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def test_a_subscription_lives_through_silence_and_notices_a_server_that_is_gone(
    own_server: QueueServer,
    own_redis: ArqRedis,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert LONGEST_SILENCE * 2 < 15, "the bound of a half-open connection"
    monkeypatch.setattr("workers.queue.listeners.LONGEST_SILENCE", 0.2)
    heard: list[bytes | None] = []
    listening = asyncio.create_task(Subscription(own_redis, "channel").listen(heard.append))
    await eventually(lambda: heard == [None])
    await asyncio.sleep(1)  # five times the silence after which it asks
    assert "subscription_lost" not in caplog.text
    await own_redis.publish("channel", "still there")
    await eventually(lambda: heard == [None, b"still there"])

    own_server.pause()
    await eventually(lambda: "subscription_lost" in caplog.text)
    own_server.resume()
    await eventually(lambda: heard[2:] == [None], within=15)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
