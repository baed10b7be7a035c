"""Strict JSON: what is read exactly, what is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
