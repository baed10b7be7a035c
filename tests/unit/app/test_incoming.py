"""What is being written is told apart from what was left behind."""

import os
from pathlib import Path

import pytest

from app.incoming import open_locked, remove_abandoned

NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY


def test_only_what_nobody_writes_is_removed(tmp_path: Path) -> None:
    descriptor = open_locked(str(tmp_path / "written"), NEW)
    (tmp_path / "left").write_bytes(b"half")
    (tmp_path / "folder").mkdir()
    try:
        assert remove_abandoned(tmp_path) == 1
        assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "written"]
    finally:
        os.close(descriptor)
    assert remove_abandoned(tmp_path) == 1


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert remove_abandoned(tmp_path / "no") == 0


def test_a_file_taken_before_it_was_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = os.open

    def open_and_lose(path: str, *options: int) -> int:
        descriptor = opened(path, *options)
        monkeypatch.setattr(os, "open", opened)
        assert remove_abandoned(tmp_path) == 1
        return descriptor

    monkeypatch.setattr(os, "open", open_and_lose)
    descriptor = open_locked(str(tmp_path / "new"), NEW)
    os.write(descriptor, b"content")
    os.close(descriptor)

    assert (tmp_path / "new").read_bytes() == b"content"
