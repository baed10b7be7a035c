"""Log lines: one readable line an event."""

import logging
import re
import sys
from collections.abc import Iterator

import pytest

from config.logs import configure_logging, event
from tests.waiting import wait_until


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    """A logger of ours; the root logger is put back as it was."""
    root, ours = logging.getLogger(), logging.getLogger("fasttask")
    handlers, level, our_level = list(root.handlers), root.level, ours.level
    yield logging.getLogger("fasttask.part")
    for handler in list(root.handlers):
        root.removeHandler(handler)
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)
    ours.setLevel(our_level)


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({}, ""),
        ({"job": "j-1", "task": "add"}, " job=j-1 task=add"),
        ({"seconds": 0.5, "long": 1.23456, "whole": 3.0}, " seconds=0.5 long=1.235 whole=3"),
        ({"why": "two words"}, ' why="two words"'),
        ({"empty": ""}, ' empty=""'),
        ({"why": "two\nlines"}, " why=two\\nlines"),
        ({"path": "/\x1b[2J\r\x9b\u2028\ud800é"}, " path=/\\x1b[2J\\r\\x9b\\u2028\\ud800é"),
        ({"path": '/a" job="j-1'}, r' path="/a\" job=\"j-1"'),
        ({"path": "/a b\\", "who": " job=j-1"}, r' path="/a b\\" who=" job=j-1"'),
        ({"path": '"/a"'}, r' path="\"/a\""'),
        ({"body": '{"a":1}'}, ' body={"a":1}'),
    ],
)
def test_an_event_is_a_line(
    log: logging.Logger,
    capsys: pytest.CaptureFixture[str],
    fields: dict[str, object],
    shown: str,
) -> None:
    configure_logging(debug=False)
    event(log, logging.WARNING, "happened", **fields)

    line = capsys.readouterr().err
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARNING part happened" + re.escape(shown) + "\n",
        line,
    )


def written(capsys: pytest.CaptureFixture[str]) -> str:
    """What the log wrote, lines that are gathered included."""
    for handler in logging.getLogger().handlers:
        handler.flush()
    return capsys.readouterr().err


def test_lines_of_libraries_look_alike_and_stay_one_line(
    log: logging.Logger,  # noqa: ARG001  puts logging back
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging(debug=False)
    logging.getLogger("arq").info("two\nlines %s", "and more")

    assert written(capsys).endswith("INFO    arq two\\nlines and more\n")


def test_a_traceback_follows_indented(
    log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(debug=False)
    try:
        raise ValueError("hello")
    except ValueError:
        log.exception("failed", exc_info=sys.exc_info())

    first, *rest = capsys.readouterr().err.splitlines()
    assert first.endswith("ERROR   part failed")
    assert all(line.startswith("    ") for line in rest)
    assert rest[-1].endswith("ValueError: hello")


def test_what_would_steer_a_terminal_is_written_out_whoever_logs_it(
    log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(debug=False)
    logging.getLogger("library").warning("a\x1b[2J%s", "\x07")
    try:
        raise ValueError("\x1b[2J")
    except ValueError:
        log.exception("failed")

    lines = capsys.readouterr().err.splitlines()
    assert all(line.isprintable() for line in lines)
    assert lines[0].endswith(r"library a\x1b[2J\x07")
    assert lines[-1] == r"    ValueError: \x1b[2J"


@pytest.mark.parametrize("debug", [False, True])
def test_debug_lines_only_when_asked_for(
    log: logging.Logger, capsys: pytest.CaptureFixture[str], debug: bool
) -> None:
    configure_logging(debug=debug)
    event(log, logging.DEBUG, "detail")
    logging.getLogger("library").debug("never")

    assert ("detail" in written(capsys)) is debug


def test_lines_are_gathered_for_a_moment_unless_they_warn(
    log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(debug=False)
    event(log, logging.INFO, "first")
    event(log, logging.INFO, "second")
    event(log, logging.WARNING, "third")
    assert [line.split()[-1] for line in capsys.readouterr().err.splitlines()] == [
        "first", "second", "third",
    ]  # fmt: skip

    event(log, logging.INFO, "fourth")
    wait_until(lambda: "fourth" in capsys.readouterr().err)
