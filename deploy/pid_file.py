"""The node's process id, in a file that is locked for as long as that process lives.

The lock and not the number says whether a node runs: the kernel drops it however the process
ends, while a number left behind may since belong to somebody else.
"""

import fcntl
import os
import time
from pathlib import Path

from config.errors import ConfigurationError
from config.settings import Settings

PATIENCE_SECONDS = 1.0


def pid_file(settings: Settings) -> Path:
    """The file's place; the supervisor writes its id there as well, which is the same one."""
    return settings.fasttask_files_dir / "supervisor.pid"


def hold(path: Path) -> int:
    """Put this process's id into ``path`` and lock it; the descriptor whose life is the lock's.

    Raises:
        ConfigurationError: another process holds it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    if not _locked(descriptor):
        os.close(descriptor)
        raise ConfigurationError([f"a node with this FILES_DIR runs already ({path} is locked)"])
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


def holder(path: Path) -> int | None:
    """The id of the process that holds ``path``; None if nobody does."""
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return _number_in(path)
    return None


def _locked(descriptor: int) -> bool:
    """Whether we got the lock; somebody who only looks, as `holder` does, has it for a moment."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)


def _number_in(path: Path) -> int | None:
    """The number in the file, which for a moment is empty when the supervisor writes it anew."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        text = path.read_text().strip() if path.exists() else ""
        if text.isdecimal():
            return int(text)
        time.sleep(0.02)
    return None
