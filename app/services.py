"""What the routes work with: made when the gateway starts, given to them by dependencies.py."""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from typing import Any

from arq.connections import ArqRedis

from app.files import FileStore
from app.jobs import Jobs
from config.expiry import remove_expired_files
from config.logs import event
from config.settings import Settings
from workers.queue.broker import Broker
from workers.queue.connection import connect
from workers.queue.errors import QueueError
from workers.queue.listeners import EndOfJobs, reconnect_delays

log = logging.getLogger("fasttask.app")

RUNNING_ID_SECONDS = 30.0  # how often the RUNNING_ID is asked for again


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of a running gateway."""

    settings: Settings
    broker: Broker
    jobs: Jobs
    files: FileStore


@contextlib.asynccontextmanager
async def running_services(
    settings: Settings, *duties: Coroutine[Any, Any, None]
) -> AsyncIterator[Services]:
    """The services and their background work, and ``duties`` beside them, until the block ends."""
    redis = connect(settings)
    broker = Broker(
        redis,
        result_expires=settings.result_expires,
        lease=settings.lease_seconds,
        over_network=not settings.has_queue_server,
        most_waiting=settings.max_waiting_jobs,
    )
    ends = EndOfJobs(redis, gateway=uuid.uuid4().hex)
    jobs = Jobs(broker, ends, settings.heartbeat_seconds)
    background = [
        asyncio.create_task(duty)
        for duty in (
            ends.listen(),
            _keep_running_id(jobs, settings),
            _clean_up(settings),
            *duties,
        )
    ]
    files = FileStore(settings)
    await asyncio.to_thread(files.remove_unfinished)
    try:
        yield Services(settings, broker, jobs, files)
    finally:
        await _end(background, redis)


async def _end(background: list[asyncio.Task[None]], redis: ArqRedis) -> None:
    for duty in background:
        duty.cancel()
    await asyncio.gather(*background, return_exceptions=True)
    await redis.aclose()


async def _keep_running_id(jobs: Jobs, settings: Settings) -> None:
    """Learn the RUNNING_ID, and again now and then: a server that lost its data has another."""
    delays = reconnect_delays()
    while True:
        try:
            if await jobs.learn_running_id(settings.running_id):
                event(log, logging.INFO, "gateway_ready", running_id=jobs.running_id)
        except QueueError as error:
            event(log, logging.WARNING, "queue_server_away", why=error)
            await asyncio.sleep(next(delays))
        else:
            delays = reconnect_delays()
            await asyncio.sleep(RUNNING_ID_SECONDS)


async def _clean_up(settings: Settings) -> None:
    """Remove expired files now and then: ten times within their lifetime, hourly at most."""
    pause = min(3600.0, settings.file_expiration_seconds / 10)
    while settings.file_cleanup_enabled:
        try:
            await asyncio.to_thread(remove_expired_files, settings)
        except OSError as error:
            event(log, logging.ERROR, "clean_up_failed", why=error)
        await asyncio.sleep(pause)
