"""Work for a client goes on only for as long as the client is there."""

import asyncio

import pytest
from fastapi import Request, Response
from starlette.requests import ClientDisconnect

from app.patience import client_has_gone, unless_gone


class Client:
    """The far end of a request."""

    def __init__(self) -> None:
        self.request = Request({"type": "http", "state": {}})

    def leave(self) -> None:
        client_has_gone(self.request.scope["state"])


class Work:
    """Work that ends when it is told to."""

    def __init__(self) -> None:
        self.end = asyncio.Event()
        self.cancelled = False

    async def do(self) -> Response:
        try:
            await self.end.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return Response("done")


async def test_the_answer_is_that_of_the_work() -> None:
    client, work = Client(), Work()
    work.end.set()

    assert (await unless_gone(client.request, work.do())).body == b"done"
    client.leave()
    await asyncio.sleep(0)  # where this task would be cancelled


async def test_work_is_cancelled_when_the_client_leaves() -> None:
    client, work = Client(), Work()
    answering = asyncio.create_task(unless_gone(client.request, work.do()))
    await asyncio.sleep(0)
    client.leave()

    with pytest.raises(ClientDisconnect):
        await answering
    assert work.cancelled


async def test_work_is_not_begun_for_a_client_that_has_left() -> None:
    client, begun = Client(), []

    async def work() -> Response:
        begun.append(True)
        return Response()

    client.leave()
    with pytest.raises(ClientDisconnect):
        await unless_gone(client.request, work())
    assert begun == []


async def test_an_error_of_the_work_is_raised() -> None:
    async def fail() -> Response:
        raise KeyError("why")

    with pytest.raises(KeyError):
        await unless_gone(Client().request, fail())


async def test_work_is_cancelled_when_its_request_is() -> None:
    work = Work()
    answering = asyncio.create_task(unless_gone(Client().request, work.do()))
    await asyncio.sleep(0)
    answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering
    await asyncio.sleep(0)

    assert work.cancelled


async def test_who_is_cancelled_besides_goes_on_being_so() -> None:
    client = Client()
    answering = asyncio.create_task(unless_gone(client.request, Work().do()))
    await asyncio.sleep(0)
    client.leave()
    answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering
