"""Rows on a terminal."""

from deploy.columns import in_columns


def test_columns_are_as_wide_as_they_need_to_be() -> None:
    assert in_columns(("a", "long"), [("first", "1"), ("b", "")]) == [
        "a      long",
        "first  1",
        "b",
    ]


def test_what_would_steer_the_terminal_is_not_shown() -> None:
    assert in_columns(("x",), [("a\x1b[2Jb\r\n",)]) == ["x", "a?[2Jb??"]
