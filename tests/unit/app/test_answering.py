"""Headers of an answer in one piece, which nobody looks at but us."""

import pytest

from app.answering import header_lines


def test_each_header_is_a_line() -> None:
    assert header_lines([(b"a", b"1"), (b"b", b"2")]) == b"a: 1\r\nb: 2\r\n"


@pytest.mark.parametrize("value", [b"1\r\nset-cookie: x", b"1\nb: 2", b"1\rb: 2", b"\n"])
def test_no_header_becomes_two(value: bytes) -> None:
    with pytest.raises(ValueError, match="line break"):
        header_lines([(b"a", value)])
