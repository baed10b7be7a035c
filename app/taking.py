"""How far a client takes what it was sent, as its kernel tells ours.

What the event loop has handed over says little: some MB may wait in the kernel's buffer, which
takes more only when a third of it is free. TCP_USER_TIMEOUT would not do either: a window that
opens little by little, less than a packet of ours at once, does not count as progress there.
The client's kernel tells in steps, too: it makes room when about 100 KB of its buffer were read.
"""

import array
import asyncio
import contextlib
import fcntl
import socket
import struct
import sys
import termios
import time

BYTES_ACKED = 120  # where it stands in struct tcp_info: linux/tcp.h, since Linux 4.1
LARGEST_TCP_INFO = 256
NO_LINGER = struct.pack("ii", 1, 0)


class Taking:
    """One client, looked at now and then."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._taken, self._since = -1, 0.0  # bytes; when that was seen first

    def begins(self) -> None:
        """There is something new to take; the time counts from the next look on."""
        self._taken = -1

    @property
    def has_to(self) -> bool:
        """Whether there is something left that it has not acknowledged."""
        left = array.array("i", [0])
        with contextlib.suppress(OSError):  # closed at this moment
            fcntl.ioctl(self._socket().fileno(), termios.TIOCOUTQ, left)
        return left[0] > 0

    def idle_seconds(self) -> float:
        """How long it has not taken anything, as far as that was looked at."""
        now, taken = time.monotonic(), self._bytes()
        if taken != self._taken:
            self._taken, self._since = taken, now
        return now - self._since

    def break_off(self) -> None:
        """Close the connection; what was not taken is forgotten, not kept for minutes more."""
        with contextlib.suppress(OSError):
            self._socket().setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        self._transport.abort()

    def _bytes(self) -> int:
        """What the client has acknowledged since it connected; 0 where no kernel tells."""
        if sys.platform != "linux":
            return 0
        with contextlib.suppress(OSError):
            told = self._socket().getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, LARGEST_TCP_INFO)
            return int.from_bytes(told[BYTES_ACKED : BYTES_ACKED + 8], sys.byteorder)
        return 0

    def _socket(self) -> socket.socket:
        """The connection's socket; OSError if it is closed, and its number maybe another's."""
        found: socket.socket | None = self._transport.get_extra_info("socket")
        if found is None or found.getpeername() != self._transport.get_extra_info("peername"):
            raise OSError("closed")
        return found
