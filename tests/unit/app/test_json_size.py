"""How many values a JSON text holds, whatever stands in its texts."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.json_size import outline, refuse_more_values

TEXT = st.text(st.characters(codec="utf-8")) | st.text('[]{},:"\\')
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=30,
)


def values_in(value: Any) -> int:
    """Itself, and all that stands in it; an empty list or object counts twice."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(values_in, inner)) + (value in ([], {}))


def names_in(value: Any) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(names_in, value.values()))
    return sum(map(names_in, value)) if isinstance(value, list) else 0


def is_refused(body: bytes, most: int) -> bool:
    try:
        refuse_more_values(body, most)
    except json.JSONDecodeError:
        return True
    return False


@given(JSON, st.booleans())
def test_values_are_counted_and_nothing_in_texts_is(value: Any, ascii_only: bool) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only).encode()
    values = values_in(value) - 1  # the body itself is no burden

    assert not is_refused(body, values)
    assert is_refused(body, values - 1) or values == 0


@given(JSON)
def test_an_outline_has_a_colon_for_each_name(value: Any) -> None:
    assert outline(json.dumps(value).encode()).count(b":") == names_in(value)


@given(st.binary(), st.integers(0, 100))
def test_whatever_is_no_json_is_left_to_the_parser_or_refused(body: bytes, most: int) -> None:
    is_refused(body, most)


MIB = 2**20


@pytest.mark.parametrize(
    "body",
    [b"[" * 16 * MIB, b"[]," * 5 * MIB, b"," * 16 * MIB, b'"",' * 5 * MIB,
     b'"":0,' * 3 * MIB],
    ids=["brackets", "lists", "commas", "texts", "names"],
)  # fmt: skip
def test_too_many_values_are_refused_soon(body: bytes) -> None:
    """In a small part of the time that parsing them takes, which is up to 6 s."""
    began = time.monotonic()
    assert is_refused(body, 250_000)
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    "text", [b"x" * 16, rb"\"" * 8, rb"\\" * 8, b"[{,:}]..", b"\\u003a,,"], ids=repr
)
def test_a_long_text_is_one_value(text: bytes) -> None:
    assert not is_refused(b'{"text": "%b"}' % (text * MIB), 100)
