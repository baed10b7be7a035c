"""Puts the queue server's log on the disk: ``python -m deploy.queue_sync SUPERVISOR FOLDER``.

The server could do that itself (`appendfsync everysec`), but while its fsync is under way it keeps
new writes back, for up to two seconds, and answers all the same: what it answered in that time is
lost if it is killed. So it is told to write and not to sync (`appendfsync no`), by which every
write is in the kernel before its answer leaves, and this process does the syncing beside it, once
a second. Killing any process loses nothing; a power cut takes the last second, as with `everysec`.

It loads next to nothing, since a whole Python is kept for it.
"""

import os
import sys
import time

PERIOD_SECONDS = 1.0


def sync_until_alone(supervisor: int, folder: str) -> None:
    """Sync what changes in ``folder``, which need not be there yet, while the supervisor lives."""
    synced: dict[str, int] = {}
    while os.getppid() == supervisor:
        sync_changed(folder, synced)
        time.sleep(PERIOD_SECONDS)


def sync_changed(folder: str, synced: dict[str, int]) -> int:
    """Sync the files of ``folder`` that changed since ``synced`` (mtime in ns) and note them there.

    How many they were. A new or removed file changes the folder itself, which is synced as well.
    """
    return sum(_sync_if_changed(path, synced) for path in (*_files_of(folder), folder))


def _files_of(folder: str) -> list[str]:
    try:
        return [entry.path for entry in os.scandir(folder)]
    except FileNotFoundError:
        return []


def _sync_if_changed(path: str, synced: dict[str, int]) -> bool:
    try:
        written = os.stat(path).st_mtime_ns
        if synced.get(path) == written:
            return False
        _sync(path)
    except FileNotFoundError:  # the server has just replaced it
        synced.pop(path, None)
        return False
    synced[path] = written
    return True


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    sync_until_alone(int(sys.argv[1]), sys.argv[2])
