"""Whether a file is still the one that was seen before."""

from pathlib import Path

FileState = tuple[int, int, int, int]  # times of change in ns: content, all else; size; inode
UNSEEN = (0, 0, 0, 0)


def file_state(path: Path) -> FileState | None:
    """What changes whenever the file does: None without one, UNSEEN if it cannot be looked at."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError:
        return UNSEEN
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
