"""Whether a file is still the one that was seen before."""

from pathlib import Path

FileState = tuple[int, int, int]  # time of change in ns, size, inode


def file_state(path: Path) -> FileState | None:
    """What changes whenever the file does; None if it cannot be looked at."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
