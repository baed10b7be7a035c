"""An answer goes out in one piece.

uvicorn writes the head and the body of an answer one after the other. Each would be a TLS record, a
system call and often a wake-up of the client of its own, which costs a plain answer a fifth of all
it takes.
"""

import asyncio
from typing import Any, cast

AT_ONCE_BYTES = 16 * 1024  # of a TLS record at most; what is as large gains nothing by waiting


class OneWrite:
    """A transport that sends together what is written within one turn of the event loop."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._held: list[bytes] = []
        self._call_soon = asyncio.get_running_loop().call_soon
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Send ``data`` soon, or at once if it is much."""
        if not self._held:
            self._call_soon(self._send)
        self._held.append(data)
        if len(data) >= AT_ONCE_BYTES:
            self._send()

    def close(self) -> None:
        """Send what is held, then close."""
        self._send()
        self._transport.close()

    def _send(self) -> None:
        if self._held and not self.is_closing():
            self._transport.write(b"".join(self._held))
        self._held.clear()

    def __getattr__(self, name: str) -> Any:
        """All else is the transport's own."""
        return getattr(self._transport, name)


def in_one_write(transport: asyncio.Transport) -> asyncio.Transport:
    """``transport``, or what stands for it."""
    return cast(asyncio.Transport, OneWrite(transport))
