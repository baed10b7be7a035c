"""A server that rests is woken up by who tells it to end."""

import asyncio
import signal

import pytest
import uvicorn
from starlette.responses import Response

from app import resting
from app.resting import RestingServer

HOUR = 3600.0
PATIENCE_SECONDS = 5.0


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> RestingServer:
    monkeypatch.setattr(resting, "TICK_SECONDS", HOUR)
    config = uvicorn.Config(Response(), log_config=None)
    config.load()
    return RestingServer(config)


async def test_it_ends_when_it_is_told_to_and_not_at_the_next_tick(server: RestingServer) -> None:
    resting_on = asyncio.create_task(server.main_loop())
    await asyncio.sleep(0)  # it has begun
    server.handle_exit(signal.SIGTERM, None)

    await asyncio.wait_for(resting_on, PATIENCE_SECONDS)


async def test_it_does_not_begin_to_rest_when_it_was_told_before(server: RestingServer) -> None:
    server.handle_exit(signal.SIGTERM, None)

    await asyncio.wait_for(server.main_loop(), PATIENCE_SECONDS)


async def test_the_answers_have_a_date_from_the_start(server: RestingServer) -> None:
    server.should_exit = True
    await server.main_loop()

    assert server.server_state.default_headers[0][0] == b"date"
