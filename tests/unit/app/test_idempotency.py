"""By what two requests are known to be the same."""

from typing import Any

import pytest

from app.idempotency import canonical, idempotency


def test_name_and_body_are_digests() -> None:
    made = idempotency("ann", "add", "key", {"a": 1})

    assert len(made.name) == len(made.body) == 64
    assert made == idempotency("ann", "add", "key", {"a": 1})


@pytest.mark.parametrize(
    "other",
    [
        ("eve", "add", "key", {"a": 1}),
        ("ann", "sub", "key", {"a": 1}),
        ("ann", "add", "KEY", {"a": 1}),
        ("anna", "dd", "key", {"a": 1}),
    ],
)
def test_every_part_of_the_name_counts(other: tuple[str, str, str, Any]) -> None:
    made, another = idempotency("ann", "add", "key", {"a": 1}), idempotency(*other)

    assert made.name != another.name
    assert made.body == another.body


@pytest.mark.parametrize("body", [{"a": 2}, {"a": "1"}, {"a": 1.0}, {"a": [1]}, {}, [], None])
def test_another_body_has_another_digest(body: Any) -> None:
    assert idempotency("u", "t", "k", {"a": 1}).body != idempotency("u", "t", "k", body).body


def test_a_body_does_not_depend_on_the_order_of_its_keys() -> None:
    assert canonical({"a": {"x": 1, "y": [2, 1]}, "b": 2}) == canonical(
        {"b": 2, "a": {"y": [2, 1], "x": 1}}
    )


def test_integers_of_any_size_are_told_apart() -> None:
    assert canonical({"a": 10**300}) != canonical({"a": 10**300 + 1})
