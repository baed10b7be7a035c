"""Frames: what is cut into pieces anywhere comes out whole."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.frames import FrameBuffer, framed, read_frames


@given(st.lists(st.binary(max_size=300)), st.integers(1, 50))
def test_frames_come_out_as_they_went_in(frames: list[bytes], step: int) -> None:
    stream = b"".join(framed(frame) for frame in frames)
    buffer = FrameBuffer()

    got = [
        frame
        for start in range(0, len(stream), step)
        for frame in buffer.feed(stream[start : start + step])
    ]
    assert got == frames


def test_parts_of_a_frame_are_joined() -> None:
    assert framed(b"ab", b"", b"c") == framed(b"abc") == b"\0\0\0\3abc"


@pytest.mark.parametrize("lost", [0, 3, 5])
def test_reading_ends_with_the_connection_even_within_a_frame(lost: int) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            theirs.sendall(framed(b"whole") + framed(b"cut")[: 7 - lost])
        got = list(read_frames(ours))
    assert got == ([b"whole", b"cut"] if lost == 0 else [b"whole"])
