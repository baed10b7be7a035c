"""Logging: one readable line an event, ``time LEVEL part event key=value ...``.

Every part of a node logs through :func:`event`; a supervisor collects the lines into LOG_DIR and
rotates them. Logs of libraries come out in the same form.
"""

import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from config.times import iso

GATHER_SECONDS = 0.1  # how late a line may be written that tells of nothing unusual
MOST_GATHERED = 1000  # lines


def configure_logging(*, debug: bool) -> None:
    """Send all log lines of this process to its standard error."""
    # No line shows these; see "Optimization" in Python's logging HOWTO.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None
    handler = GatheringHandler()
    handler.setFormatter(LineFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("fasttask").setLevel(logging.DEBUG if debug else logging.INFO)


def event(log: logging.Logger, level: int, name: str, /, **fields: Any) -> None:
    """Log that ``name`` happened; ``job`` and ``task`` come first among the fields."""
    if not log.isEnabledFor(level):
        return
    gathering = _only_handler()
    if gathering is None:
        log.handle(Event(log.name, level, name, fields))
    else:
        gathering.add(_line(time.time(), level, log.name, name + _all_shown(fields)), level)


def log_unraisable(failure: "sys.UnraisableHookArgs") -> None:
    """For sys.unraisablehook: what failed where nobody could be told, such as a callback of C."""
    where = failure.err_msg or "Exception ignored in"
    logging.getLogger("python").error("%s: %r", where, failure.object, exc_info=failure.exc_value)


class Event(logging.LogRecord):
    """What happened, for handlers that are not ours."""

    def __init__(self, log: str, level: int, what: str, fields: Mapping[str, Any]) -> None:
        super().__init__(log, level, "", 0, what, None, None)
        self.fields = fields


class GatheringHandler(logging.Handler):
    """Writes lines to standard error, many at once when there are many.

    A write for each would cost more than all else about a line, here and at the supervisor that
    reads it. Warnings and errors are written at once, with all that came before them.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines: deque[str] = deque()
        self._there_are_some = threading.Event()
        self._writer: threading.Thread | None = None
        os.register_at_fork(after_in_child=self._begin_anew)

    def add(self, line: str, level: int) -> None:
        """Have a line written."""
        self._lines.append(line + "\n")
        if level >= logging.WARNING or len(self._lines) >= MOST_GATHERED:
            self.flush()
        elif not self._there_are_some.is_set():
            self._there_are_some.set()
            self._writer = self._writer or self._start_writer()

    def emit(self, record: logging.LogRecord) -> None:
        """Part of logging.Handler."""
        self.add(self.format(record), record.levelno)

    def flush(self) -> None:
        """Write what there is."""
        self.acquire()
        try:
            sys.stderr.write("".join([self._lines.popleft() for _ in range(len(self._lines))]))
            sys.stderr.flush()
        finally:
            self.release()

    def _begin_anew(self) -> None:
        """In a fork: the thread is not there, and what was gathered is the other's to write."""
        self._lines, self._there_are_some, self._writer = deque(), threading.Event(), None

    def _start_writer(self) -> threading.Thread:
        writer = threading.Thread(target=self._write_soon, name="log", daemon=True)
        writer.start()
        return writer

    def _write_soon(self) -> None:
        while self._there_are_some.wait():
            time.sleep(GATHER_SECONDS)
            self._there_are_some.clear()
            self.flush()


def _only_handler() -> GatheringHandler | None:
    """Ours, if nobody else listens: the library's way to it takes as long as all else."""
    handlers = logging.root.handlers
    if len(handlers) == 1 and isinstance(handlers[0], GatheringHandler):
        return handlers[0]
    return None


class LineFormatter(logging.Formatter):
    """One line a record; a traceback follows as indented lines."""

    def format(self, record: logging.LogRecord) -> str:
        shown = _all_shown(record.fields) if isinstance(record, Event) else ""
        line = _line(record.created, record.levelno, record.name, record.getMessage() + shown)
        if record.exc_info:
            traceback = self.formatException(record.exc_info).split("\n")
            line = "\n    ".join([line, *map(_written_out, traceback)])
        return line


def _line(at: float, level: int, log: str, text: str) -> str:
    part, level_name = log.removeprefix("fasttask."), logging.getLevelName(level)
    return _written_out(f"{iso(int(at * 1000))} {level_name:<7} {part} {text}")


def _written_out(line: str) -> str:
    """One line, whatever it says, and nothing in it that would steer a terminal."""
    if line.isprintable():
        return line
    return "".join([c if c.isprintable() else c.encode("unicode_escape").decode() for c in line])


def _all_shown(fields: Mapping[str, Any]) -> str:
    return "".join([f" {name}={_shown(value)}" for name, value in fields.items()])


def _shown(value: Any) -> str:
    text = f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    if " " not in text and text and text[0] != '"':
        return text
    # A quote that stands in it would end it, and what follows pass for a field of ours.
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
