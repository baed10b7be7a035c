"""Files that only the node's own user may read."""

import os
import tempfile
from pathlib import Path

from config.errors import ConfigurationError
from config.ownership import give_to_owner_of


def write_private(path: Path, content: str | bytes) -> None:
    """Make ``path`` a file of mode 0600 with this content: as a whole or not at all.

    A link stays, and what it leads to becomes that file.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    data = os.fsencode(content) if isinstance(content, str) else content
    try:
        _write_then_rename(_linked_by_us(path), data)
    except OSError as error:
        raise ConfigurationError([f"{path} cannot be written: {error.strerror}"]) from None


def _linked_by_us(path: Path) -> Path:
    """Where a link leads: people keep such a file elsewhere.

    Not a link of another user's: he would have root write wherever he likes.
    """
    if path.is_symlink() and path.lstat().st_uid in (0, os.geteuid()):
        return Path(os.path.realpath(path))
    return path


def _write_then_rename(path: Path, data: bytes) -> None:
    # mkstemp makes the file with mode 0600, so nobody can open it while it is being written.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            give_to_owner_of(path.parent, descriptor)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError:
        Path(name).unlink()
        raise
