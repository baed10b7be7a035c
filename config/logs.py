"""Logging: one readable line an event, ``time LEVEL part event key=value ...``.

Every part of a node logs through :func:`event`; a supervisor collects the lines into LOG_DIR and
rotates them. Logs of libraries come out in the same form.
"""

import logging
import os
import sys
import threading
import time
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
    if log.isEnabledFor(level):
        log.handle(Event(log.name, level, name, fields))


class Event(logging.LogRecord):
    """What happened, without what no line of ours shows.

    The library's way to a record looks for the caller, its file and its thread, which takes about
    as long as all else about a line.
    """

    def __init__(self, log: str, level: int, what: str, fields: Mapping[str, Any]) -> None:
        self.__dict__ = _BLANK.copy()  # to update it would take twice as long
        self.name, self.msg = log, what
        self.levelno, self.levelname = level, logging.getLevelName(level)
        self.created = time.time()
        self.fields = fields


_BLANK = logging.LogRecord("", logging.NOTSET, "", 0, "", None, None).__dict__


class GatheringHandler(logging.Handler):
    """Writes lines to standard error, many at once when there are many.

    A write for each would cost more than all else about a line, here and at the supervisor that
    reads it. Warnings and errors are written at once, with all that came before them.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[str] = []
        self._there_are_some = threading.Event()
        self._writer: threading.Thread | None = None
        os.register_at_fork(after_in_child=self._begin_anew)

    def emit(self, record: logging.LogRecord) -> None:
        """Part of logging.Handler; called with its lock held."""
        self._lines.append(self.format(record) + "\n")
        if record.levelno >= logging.WARNING or len(self._lines) >= MOST_GATHERED:
            self.flush()
        elif not self._there_are_some.is_set():
            self._there_are_some.set()
            self._writer = self._writer or self._start_writer()

    def flush(self) -> None:
        """Write what there is."""
        self.acquire()
        try:
            lines, self._lines = self._lines, []
            sys.stderr.write("".join(lines))
            sys.stderr.flush()
        finally:
            self.release()

    def _begin_anew(self) -> None:
        """In a fork: the thread is not there, and what was gathered is the other's to write."""
        self._lines, self._there_are_some, self._writer = [], threading.Event(), None

    def _start_writer(self) -> threading.Thread:
        writer = threading.Thread(target=self._write_soon, name="log", daemon=True)
        writer.start()
        return writer

    def _write_soon(self) -> None:
        while self._there_are_some.wait():
            time.sleep(GATHER_SECONDS)
            self._there_are_some.clear()
            self.flush()


class LineFormatter(logging.Formatter):
    """One line a record; a traceback follows as indented lines."""

    def format(self, record: logging.LogRecord) -> str:
        part = record.name.removeprefix("fasttask.")
        fields = record.fields if isinstance(record, Event) else {}
        shown = "".join([f" {name}={_shown(value)}" for name, value in fields.items()])
        stamp = iso(int(record.created * 1000))
        line = f"{stamp} {record.levelname:<7} {part} {record.getMessage()}{shown}"
        line = line.replace("\n", "\\n")
        if record.exc_info:
            line += "\n    " + self.formatException(record.exc_info).replace("\n", "\n    ")
        return line


def _shown(value: Any) -> str:
    text = f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    return f'"{text}"' if " " in text or not text else text
