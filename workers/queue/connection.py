"""How to reach the queue server: from settings to a pool of connections."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from arq.connections import ArqRedis
from redis.asyncio.connection import (
    BlockingConnectionPool,
    Connection,
    ConnectionPool,
    UnixDomainSocketConnection,
    parse_url,
)

from config.settings import Settings
from workers.queue.serializer import deserialize, serialize
from workers.queue.trusted_connection import TrustedConnection, trust

# Bounds on one call, in seconds. A server that is silent for so long counts as away, which also
# bounds how long a half-open connection goes unnoticed.
CONNECT_TIMEOUT = 3
ANSWER_TIMEOUT = 4
MOST_CONNECTIONS = 16

# What is larger crosses the link on a connection of its own, and may take as long as it takes at
# this rate: small calls, heartbeats above all, do not wait behind it.
LARGE_BYTES = 256 * 1024
SLOWEST_BYTES_PER_SECOND = 64 * 1024


def connect(settings: Settings) -> ArqRedis:
    """An arq client for the queue server that ``settings`` name. No connection is made yet."""
    pool = BlockingConnectionPool(
        max_connections=MOST_CONNECTIONS,
        timeout=ANSWER_TIMEOUT,
        socket_connect_timeout=CONNECT_TIMEOUT,
        socket_timeout=ANSWER_TIMEOUT,
        **_address(settings),
    )
    return ArqRedis(pool, job_serializer=serialize, job_deserializer=deserialize)


@contextlib.asynccontextmanager
async def patient_twin(redis: ArqRedis, size: int) -> AsyncIterator[ArqRedis]:
    """A client like ``redis`` for one transfer of ``size`` bytes, with the time that may take.

    Raises:
        TimeoutError: it took longer.
    """
    pool = redis.connection_pool
    given = {**pool.connection_kwargs, "socket_timeout": None}
    twin = ArqRedis(ConnectionPool(connection_class=pool.connection_class, **given))
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT + size / SLOWEST_BYTES_PER_SECOND):
            yield twin
    finally:
        await twin.aclose(close_connection_pool=True)


def shown_address(settings: Settings) -> str:
    """Where the queue server is, for people: never with a password."""
    if settings.task_queue_url is not None:
        return settings.task_queue_url.get_secret_value().rpartition("@")[2]
    return str(settings.queue_socket or f"{settings.master_host}:{settings.task_queue_port}")


def _address(settings: Settings) -> dict[str, Any]:
    if settings.task_queue_url is not None:
        url = parse_url(settings.task_queue_url.get_secret_value())
        return {**settings.queue_url_defaults, **url}
    password = settings.queue_password()
    if settings.queue_socket is not None:
        return {
            "connection_class": UnixDomainSocketConnection,
            "path": str(settings.queue_socket),
            "password": password,
        }
    return {
        **_kind(settings),
        "host": settings.master_host,
        "port": settings.task_queue_port,
        "password": password,
        "socket_keepalive": True,
    }


def _kind(settings: Settings) -> dict[str, Any]:
    if not settings.task_queue_tls:
        return {"connection_class": Connection}
    trusted = trust(settings.task_queue_ca, settings.task_queue_fingerprint)
    return {"connection_class": TrustedConnection, "trust": trusted}
