"""Work for a client goes on only for as long as the client is there."""

import asyncio

import pytest
from fastapi import Request, Response
from starlette.types import Message

from app.patience import unless_gone


class Client:
    """The far end of a request."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        self.request = Request({"type": "http"}, self.messages.get)

    def send(self, kind: str) -> None:
        self.messages.put_nowait({"type": kind})


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
    client.send("http.request")
    work.end.set()

    assert (await unless_gone(client.request, work.do())).body == b"done"
    assert len(asyncio.all_tasks()) <= 2  # this one, and the watch that is being cancelled


async def test_work_is_cancelled_when_the_client_leaves() -> None:
    client, work = Client(), Work()
    client.send("http.request")
    client.send("http.disconnect")
    await unless_gone(client.request, work.do())
    await asyncio.sleep(0)

    assert work.cancelled


async def test_an_error_of_the_work_is_raised() -> None:
    async def fail() -> Response:
        raise KeyError("why")

    with pytest.raises(KeyError):
        await unless_gone(Client().request, fail())


async def test_work_is_cancelled_when_its_request_is() -> None:
    work = Work()
    answering = asyncio.create_task(unless_gone(Client().request, work.do()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering
    await asyncio.sleep(0)

    assert work.cancelled


async def test_who_is_cancelled_besides_goes_on_being_so() -> None:
    client = Client()
    client.send("http.disconnect")
    answering = asyncio.create_task(unless_gone(client.request, Work().do()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering
