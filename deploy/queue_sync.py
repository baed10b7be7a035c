"""Puts the queue server's log on the disk once a second: ``python -m deploy.queue_sync FOLDER``.

The server could do that itself (`appendfsync everysec`), but while its fsync is under way it keeps
new writes back, for up to two seconds, and answers all the same: what it answered in that time is
lost if it is killed. So it is told to write and not to sync (`appendfsync no`), by which every
write is in the kernel before its answer leaves, and this process does the syncing beside it.
Killing any process loses nothing; a power cut takes the last second, as with `everysec`.
"""

import os
import sys
import time
from pathlib import Path
from typing import NoReturn

from config.parent import die_with_parent

PERIOD_SECONDS = 1.0


def sync_for_ever(folder: Path) -> NoReturn:
    """Sync what changes in ``folder``, which need not be there yet."""
    synced: dict[Path, int] = {}
    while True:
        sync_changed(folder, synced)
        time.sleep(PERIOD_SECONDS)


def sync_changed(folder: Path, synced: dict[Path, int]) -> int:
    """Sync the files of ``folder`` that changed since ``synced`` (mtime in ns) and note them there.

    How many they were. A new or removed file changes the folder itself, which is synced as well.
    """
    changed = 0
    for path in (*folder.glob("*"), folder):
        try:
            written = path.stat().st_mtime_ns
            if synced.get(path) != written:
                _sync(path)
                synced[path] = written
                changed += 1
        except FileNotFoundError:  # the server has just replaced it
            synced.pop(path, None)
    return changed


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    die_with_parent()
    sync_for_ever(Path(sys.argv[1]))
