"""Old files: what users uploaded and tasks wrote is removed when nobody changed it for long."""

import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from config.logs import event
from config.settings import Settings

log = logging.getLogger("fasttask.expiry")


def remove_expired_files(settings: Settings) -> int:
    """Remove files below FILES_DIR last changed over FILE_EXPIRATION_SECONDS ago; how many.

    FastTask's own folder is never touched, links are not followed, and folders that became empty
    and are as old go as well. Of several processes that call this at once only one works.
    """
    lock_file = settings.fasttask_files_dir / "cleanup.lock"
    with lock_file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        oldest = time.time() - settings.file_expiration_seconds
        expired = _expired(settings.files_dir.resolve(), settings.places, oldest)
        removed = sum(map(_remove, expired))
        _remove_records_of_the_gone(settings, oldest)
        return removed


def _remove_records_of_the_gone(settings: Settings, oldest: float) -> None:
    """Remove whose files were that are gone, by us or otherwise. A young one's is on its way."""
    if not settings.owners_dir.is_dir():
        return
    for record in settings.owners_dir.iterdir():
        with contextlib.suppress(OSError):  # somebody else was faster
            if record.stat().st_mtime < oldest and not (settings.files_dir / record.name).exists():
                record.unlink()


def _expired(folder: Path, ours: Collection[Path], oldest: float) -> Iterator[Path]:
    """Everything below ``folder`` that is old enough, files before the folder they lie in."""
    with os.scandir(folder) as scanned:
        entries = list(scanned)
    for entry in entries:
        with contextlib.suppress(OSError):  # it is gone meanwhile, or closed to us: on to the next
            yield from _expired_of(entry, ours, oldest)


def _expired_of(entry: os.DirEntry[str], ours: Collection[Path], oldest: float) -> Iterator[Path]:
    path = Path(entry.path)
    if _is_ours(entry, ours):
        return
    changed = entry.stat(follow_symlinks=False).st_mtime
    if entry.is_dir(follow_symlinks=False):
        yield from _expired(path, ours, oldest)
    if changed < oldest:
        yield path


def _is_ours(entry: os.DirEntry[str], ours: Collection[Path]) -> bool:
    """Whether it is one of a node's places, or a link on the way to one."""
    if not entry.is_symlink():
        return Path(entry.path) in ours
    target = os.path.realpath(entry.path)
    return any(place.is_relative_to(target) for place in ours)


def _remove(path: Path) -> bool:
    try:
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    except OSError:  # a folder that is not empty, or somebody else was faster
        return False
    event(log, logging.INFO, "file_expired", path=path)
    return True
