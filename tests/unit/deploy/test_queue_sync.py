"""What the queue server has written reaches the disk."""

import os
from pathlib import Path

import pytest

from deploy import queue_sync
from deploy.queue_sync import sync_changed, sync_until_alone


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that the kernel was asked to put on the disk."""
    names: list[str] = []
    fsync = os.fsync

    def noting(descriptor: int) -> None:
        names.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    monkeypatch.setattr(queue_sync.os, "fsync", noting)
    return names


def test_only_what_changed_is_synced(tmp_path: Path, synced: list[str]) -> None:
    log, seen = tmp_path / "a.aof", {}
    log.write_text("1")
    assert sync_changed(str(tmp_path), seen) == 2  # the file, and the folder that has got it
    assert sync_changed(str(tmp_path), seen) == 0
    log.write_text("2")
    os.utime(log, ns=(1, 1))
    assert sync_changed(str(tmp_path), seen) == 1
    assert synced == ["a.aof", tmp_path.name, "a.aof"]


def test_a_folder_that_is_not_there_yet_is_no_error(tmp_path: Path) -> None:
    assert sync_changed(str(tmp_path / "later"), {}) == 0


def test_a_file_that_was_replaced_is_forgotten(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.write_text("")
    seen: dict[str, int] = {}
    sync_changed(str(tmp_path), seen)
    gone.unlink()
    (tmp_path / "new").write_text("")
    assert sync_changed(str(tmp_path), seen) == 2


def test_it_ends_with_the_supervisor(tmp_path: Path) -> None:
    sync_until_alone(supervisor=os.getpid(), folder=str(tmp_path))  # which is not its own parent
