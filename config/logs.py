"""Logging: one readable line an event, ``time LEVEL part event key=value ...``.

Every part of a node logs through :func:`event`; a supervisor collects the lines into LOG_DIR and
rotates them. Logs of libraries come out in the same form.
"""

import logging
import sys
import time
from typing import Any

FIELDS = "fasttask_fields"


def configure_logging(*, debug: bool) -> None:
    """Send all log lines of this process to its standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("fasttask").setLevel(logging.DEBUG if debug else logging.INFO)


def event(log: logging.Logger, level: int, name: str, /, **fields: Any) -> None:
    """Log that ``name`` happened; ``job`` and ``task`` come first among the fields."""
    if log.isEnabledFor(level):
        log.log(level, name, extra={FIELDS: fields})


class LineFormatter(logging.Formatter):
    """One line a record; a traceback follows as indented lines."""

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        part = record.name.removeprefix("fasttask.")
        fields = "".join(f" {k}={_shown(v)}" for k, v in getattr(record, FIELDS, {}).items())
        message = record.getMessage().replace("\n", "\\n")
        line = f"{stamp}.{int(record.msecs):03d}Z {record.levelname:<7} {part} {message}{fields}"
        if record.exc_info:
            line += "\n    " + self.formatException(record.exc_info).replace("\n", "\n    ")
        return line


def _shown(value: Any) -> str:
    text = f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    text = text.replace("\n", "\\n")
    return f'"{text}"' if " " in text or not text else text
