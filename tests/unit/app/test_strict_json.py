"""Strict JSON: what is read exactly, what is refused."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json

from app.strict_json import read_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**300), 10**300)
    | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=20,
)  # fmt: skip


@given(JSON)
def test_every_value_is_read_exactly(value: Any) -> None:
    for ascii_only in (True, False):
        read = read_json(json.dumps(value, ensure_ascii=ascii_only).encode())
        assert read == value
        assert repr(read) == repr(value)  # 1 is not 1.0, nor is 0.0 the same as -0.0


@given(st.binary())
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        value = read_json(body)
    except json.JSONDecodeError:
        return
    assert json.loads(body) == value


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"NaN", b"-Infinity", b"1e400", b"-1e400", b"[1e309]", b"9" * 4301, b"9" * 100_000,
     rb'"\ud800"', rb'"\udc00\ud800"', rb'{"\ud800": 1}', b'"\xff"', b'"\xed\xa0\x80"', b"01",
     b"1.", b"+1", b"0x1", b"'a'", b"[1,]", b"{,}", b"[1] 2", b'"\n"', b"\xef\xbb\xbf1",
     b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000 + b"1" + b"}" * 100_000],
)  # fmt: skip
def test_what_is_not_strict_is_refused(body: bytes) -> None:
    with pytest.raises(json.JSONDecodeError):
        read_json(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1, "a": 1}',
        b'[{"b": {"a": 1, "b": 2, "a": 3}}]',
        rb'{"a": 1, "\u0061": 2}',
        rb'{"a": "\u003a", "a": 1}',
        rb'{"a": "\u003A", "b": {"a": 1, "a": 1}}',
        rb'{"\"": 1, "\u0022": 2}',
        '{"é": 1, "\\u00e9": 2}'.encode(),
        b'{"": 1, "": {}}',
    ],
)
def test_the_same_name_twice_is_refused(body: bytes) -> None:
    with pytest.raises(json.JSONDecodeError, match="twice"):
        read_json(body)


@pytest.mark.parametrize(
    "body",
    [
        rb'{"a": {"a": ":"}, "b": [{"a": "\":"}, {"a": "\\"}]}',
        rb'{":": "::", "\\\":": ":"}',
        rb'{"a\u003a": "\\u003a", "b": ":\u003a\""}',
        b'[":", {"a" : 1, "b"\n:2}]',
        b'{"a": 123456789012345678901234567890}',
    ],
)
def test_names_are_told_from_what_only_looks_like_them(body: bytes) -> None:
    assert read_json(body) == json.loads(body)


def test_what_the_gateway_reads_a_child_can_read() -> None:
    """The stored job holds the parameters one level deeper; both parsers count levels."""
    levels = 0
    with contextlib.suppress(json.JSONDecodeError):
        for levels in range(1, 1000):
            body = b'{"x": ' + b"[" * levels + b"]" * levels + b"}"
            assert read_json(body)
            from_json(b'{"f": "x", "a": [], "k": ' + body + b', "v": true}')

    assert 150 < levels < 300
