"""The node's process id, in a file that is locked for as long as that process lives.

The lock and not the number says whether a node runs: the kernel drops it however the process
ends, while a number left behind may since belong to somebody else.
"""

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from config.errors import ConfigurationError
from config.settings import PlaceSettings

PATIENCE_SECONDS = 1.0
LOOK_AGAIN_SECONDS = 0.02


def pid_file(settings: PlaceSettings) -> Path:
    """The file's place; the supervisor, which we become, keeps our id and the lock."""
    return settings.fasttask_files_dir / "supervisor.pid"


def hold(path: Path) -> int:
    """Put this process's id into ``path`` and lock it; the descriptor whose life is the lock's.

    Raises:
        ConfigurationError: another process holds it.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (descriptor := _locked(path)) is None:
        if time.monotonic() > deadline:
            problem = f"a node with this FILES_DIR runs already ({path} is locked)"
            raise ConfigurationError([problem])
        time.sleep(LOOK_AGAIN_SECONDS)
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


def remove(path: Path, first: Callable[[], None] = lambda: None) -> None:
    """Remove a file that nobody holds, after doing ``first`` something that nobody may come into.

    Raises:
        ConfigurationError: somebody holds it; nothing was done.
    """
    descriptor = hold(path)
    try:
        first()
        path.unlink()
    finally:
        os.close(descriptor)


def holder(path: Path) -> int | None:
    """The id of the process that holds ``path``; None if nobody does.

    Raises:
        ConfigurationError: the file belongs to another user.
    """
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _number_in(path)
    except PermissionError:
        problem = f"{path} may not be read; be the user whose node this is"
        raise ConfigurationError([problem]) from None
    except (FileNotFoundError, NotADirectoryError):
        return None
    return None


def _locked(path: Path) -> int | None:
    """A locked descriptor of the file; None if somebody else has the lock.

    That may be for a moment only: `holder` locks it to look, `remove` to take it away.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.stat().st_ino == os.fstat(descriptor).st_ino:
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None


def _number_in(path: Path) -> int | None:
    """The number in the file, which for a moment is empty when a node writes its own there."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        text = path.read_text().strip() if path.exists() else ""
        if text.isdecimal():
            return int(text)
        time.sleep(LOOK_AGAIN_SECONDS)
    return None
