"""Files that only the node's own user may read."""

import os
import tempfile
from pathlib import Path

from config.errors import ConfigurationError
from config.ownership import give_to_owner_of


def write_private(path: Path, content: str | bytes) -> None:
    """Make ``path`` a file of mode 0600 with this content: as a whole or not at all.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    data = os.fsencode(content) if isinstance(content, str) else content
    try:
        _write_then_rename(path, data)
    except OSError as error:
        raise ConfigurationError([f"{path} cannot be written: {error.strerror}"]) from None


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
