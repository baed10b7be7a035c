"""What is written within one turn of the event loop is sent together, in order and always."""

import asyncio
from typing import cast

from app.one_write import AT_ONCE_BYTES, in_one_write


class Sent(asyncio.Transport):
    """A transport that keeps what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.closed = False

    def write(self, data: object) -> None:
        self.pieces.append(cast(bytes, data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 7


async def test_head_and_body_go_together() -> None:
    sent = Sent()
    transport = in_one_write(sent)
    transport.write(b"head ")
    transport.write(b"body")
    assert sent.pieces == []
    await asyncio.sleep(0)
    transport.write(b"next")
    await asyncio.sleep(0)
    assert sent.pieces == [b"head body", b"next"]


async def test_a_large_piece_takes_along_what_is_held() -> None:
    sent, large = Sent(), b"x" * AT_ONCE_BYTES
    transport = in_one_write(sent)
    transport.write(b"head ")
    transport.write(large)
    assert sent.pieces == [b"head " + large]
    await asyncio.sleep(0)
    assert len(sent.pieces) == 1


async def test_closing_sends_what_is_held_first() -> None:
    sent = Sent()
    transport = in_one_write(sent)
    transport.write(b"the last word")
    transport.close()
    assert sent.pieces == [b"the last word"]
    assert sent.closed
    await asyncio.sleep(0)
    assert len(sent.pieces) == 1


async def test_nothing_is_sent_to_who_has_gone() -> None:
    sent = Sent()
    transport = in_one_write(sent)
    transport.write(b"too late")
    sent.closed = True
    await asyncio.sleep(0)
    assert sent.pieces == []


async def test_all_else_is_the_transports_own() -> None:
    assert in_one_write(Sent()).get_write_buffer_size() == 7
