"""Files that are not whole yet: each is locked by the process that writes it.

What a killed process has left behind is locked by nobody and so told apart from what others write.
"""

import fcntl
import logging
import os
from pathlib import Path

from config.logs import event

log = logging.getLogger("fasttask.app")


def open_locked(path: str, flags: int) -> int:
    """Make and open a new file that belongs to this process until it is closed; an `opener`."""
    while True:
        descriptor = os.open(path, flags | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:
            os.close(descriptor)
            raise
        if os.fstat(descriptor).st_nlink > 0:
            return descriptor
        os.close(descriptor)  # taken for an abandoned one before it was locked


def remove_abandoned(folder: Path) -> int:
    """Remove what processes that have ended were writing in ``folder``; how many."""
    if not folder.is_dir():
        return 0
    removed = sum(_remove_if_abandoned(path) for path in folder.iterdir())
    if removed:
        event(log, logging.INFO, "unfinished_uploads_removed", files=removed)
    return removed


def _remove_if_abandoned(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
    except OSError:  # somebody writes it, or it is gone
        return False
    return True
