"""Names, records and encodings of the queue."""

import asyncio

import orjson
import pytest
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from workers.queue import keys
from workers.queue.errors import QueueError, QueueFullError, QueueUnavailableError
from workers.queue.listeners import SLOWEST_RECONNECT, reconnect_delays
from workers.queue.records import FINAL_STATES, JobView, Revocation, State
from workers.queue.runner import translated
from workers.queue.serializer import TaskFailedError, deserialize, serialize


def test_no_two_names_are_equal_and_all_reach_the_scripts() -> None:
    names = {k: v for k, v in vars(keys).items() if k.isupper()}

    assert len(set(names.values())) == len(names)
    for name, value in names.items():
        assert f"local {name} = '{value}'\n" in keys.lua_constants()
        assert value.startswith(("arq:", "ft:"))


@pytest.mark.parametrize("state", State)
def test_a_view_knows_whether_it_is_final(state: State) -> None:
    assert JobView("j", state).is_final is (state in FINAL_STATES)
    assert Revocation(JobView("j", state)).accepted is (state is State.REVOKED)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RedisConnectionError("gone"), QueueUnavailableError),
        (RedisTimeoutError("slow"), QueueUnavailableError),
        (OSError("no route"), QueueUnavailableError),
        (BusyLoadingError("loading"), QueueUnavailableError),
        (AuthenticationError("wrong"), QueueUnavailableError),
        (ReadOnlyError("a replica"), QueueUnavailableError),
        (ResponseError("BUSY a script runs"), QueueUnavailableError),
        (OutOfMemoryError("no room"), QueueFullError),
        (ResponseError("MISCONF disk full"), QueueFullError),
        (ResponseError("WRONGTYPE of key"), QueueError),
        (ValueError("odd"), QueueError),
    ],
    ids=repr,
)
def test_every_error_of_the_library_becomes_one_of_ours(
    error: Exception, kind: type[QueueError]
) -> None:
    ours = translated(error, "doing")

    assert type(ours) is kind
    assert str(ours).startswith(f"doing: {type(error).__name__}: ")


@pytest.mark.parametrize(
    ("stored", "kind"),
    [
        ({"s": False, "r": "trace", "x": "FAILURE"}, TaskFailedError),
        ({"s": False, "r": "revoked", "x": "REVOKED"}, asyncio.CancelledError),
    ],
)
def test_a_failure_becomes_what_arq_raises(
    stored: dict[str, object], kind: type[BaseException]
) -> None:
    decoded = deserialize(orjson.dumps(stored))

    assert type(decoded["r"]) is kind
    assert str(decoded["r"]) == stored["r"]


def test_a_success_stays_as_it_is() -> None:
    stored = {"s": True, "r": {"a": 1}, "x": "SUCCESS"}
    assert deserialize(serialize(stored)) == stored


def test_delays_grow_up_to_a_bound_and_are_never_zero() -> None:
    delays = reconnect_delays()
    drawn = [next(delays) for _ in range(50)]

    assert all(0 < delay <= SLOWEST_RECONNECT for delay in drawn)
    assert drawn[0] <= 0.1
    assert min(drawn[10:]) >= SLOWEST_RECONNECT / 2
