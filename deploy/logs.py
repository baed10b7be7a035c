"""The logs of a node: which they are, their ends, and following them."""

import os
from pathlib import Path
from typing import NoReturn

from config.errors import ConfigurationError
from config.settings import PlaceSettings

# By name, because LOG_DIR may be a folder that others log to as well.
PATTERNS = (
    "node.log", "supervisor.log", "queue.log", "queue_sync.log", "queue_certificate.log",
    "worker.log", "api.log",
)  # fmt: skip
END_LINES = 20


def log_files(settings: PlaceSettings) -> list[Path]:
    """What the node and its parts have written so far, the node itself first."""
    return [path for name in PATTERNS for path in sorted(settings.log_dir.glob(name))]


def sizes(logs: list[Path]) -> dict[Path, int]:
    """How much stands in each log so far, in bytes."""
    return {log: log.stat().st_size for log in logs}


def end_of(log: Path, after: int = 0) -> list[str]:
    """The last lines of a log under a head that names it; nothing if nothing was written.

    What already stood there when it had ``after`` bytes is left out, unless it was rotated since.
    """
    try:
        text = log.read_bytes()
    except OSError:
        return []
    lines = text[after if after <= len(text) else 0 :].decode(errors="replace").splitlines()
    return [f"--- the end of {log}", *lines[-END_LINES:]] if lines else []


def follow(settings: PlaceSettings) -> NoReturn:
    """Show the ends of all logs and what is added to them, until interrupted.

    Raises:
        ConfigurationError: there are none.
    """
    files = log_files(settings)
    if not files:
        raise ConfigurationError([f"there are no logs in LOG_DIR={settings.log_dir}"])
    os.execvp("tail", ["tail", "-n", "50", "-F", *map(str, files)])  # noqa: S607  the usual one
