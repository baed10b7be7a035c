"""Frames on a byte stream: four bytes of length, big-endian, then that many bytes."""

import socket
import struct
from collections.abc import Iterator

HEADER = struct.Struct("!I")
CHUNK = 64 * 1024  # bytes; from 128 KiB on, glibc maps and unmaps memory for each read


def framed(*parts: bytes) -> bytes:
    """One frame that holds ``parts`` one after the other."""
    return HEADER.pack(sum(map(len, parts))) + b"".join(parts)


class FrameBuffer:
    """Collects what arrives and gives it back frame by frame."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Add ``chunk``; yield the frames that are complete now."""
        if not self._bytes and _is_one_frame(chunk):  # as nearly always
            yield chunk[HEADER.size :]
            return
        self._bytes += chunk
        while len(self._bytes) >= HEADER.size:
            (length,) = HEADER.unpack_from(self._bytes)
            end = HEADER.size + length
            if len(self._bytes) < end:
                return
            frame = bytes(memoryview(self._bytes)[HEADER.size : end])
            del self._bytes[:end]
            yield frame


def _is_one_frame(chunk: bytes) -> bool:
    return len(chunk) > HEADER.size and HEADER.unpack_from(chunk)[0] == len(chunk) - HEADER.size


def read_frames(connection: socket.socket) -> Iterator[bytes]:
    """Frames from a blocking socket, until the other side closes it."""
    buffer = FrameBuffer()
    while chunk := connection.recv(CHUNK):
        yield from buffer.feed(chunk)
