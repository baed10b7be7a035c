"""Old files: removed when nobody changed them for long, ours never."""

import fcntl
import logging
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from config.expiry import remove_expired_files
from config.settings import Settings

AGE = 100.0
SOMEBODY = 65534


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    """Files expire after AGE seconds."""
    return make_settings(file_expiration_seconds=AGE)


def _make(path: Path, age: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    for one in (path, path.parent):
        os.utime(one, (time.time() - age, time.time() - age), follow_symlinks=False)
    return path


def test_removes_old_files_and_keeps_young_ones(settings: Settings) -> None:
    old, young = _make(settings.files_dir / "old", 2 * AGE), _make(settings.files_dir / "new", 1)

    assert remove_expired_files(settings) == 1
    assert (old.exists(), young.exists()) == (False, True)


def test_removes_old_folders_with_what_is_in_them(settings: Settings) -> None:
    old = _make(settings.files_dir / "folder" / "old", 2 * AGE)
    kept = _make(settings.files_dir / "mixed" / "new", 1)
    os.utime(kept.parent, (0, 0))

    remove_expired_files(settings)
    assert not old.exists()
    assert kept.exists()


def test_never_touches_what_is_ours(settings: Settings) -> None:
    ours = _make(settings.conf_dir / "user_to_passwd.json", 10 * AGE)

    assert remove_expired_files(settings) == 0
    assert ours.exists()


def test_never_touches_what_is_ours_whatever_it_is_called(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "files").symlink_to(tmp_path / "disk")
    settings = make_settings(
        fasttask_files_dir=tmp_path / "disk" / "fasttask", file_expiration_seconds=AGE
    )
    ours = _make(settings.conf_dir / "user_to_passwd.json", 10 * AGE)
    old = _make(settings.files_dir / "old", 2 * AGE)

    assert remove_expired_files(settings) == 1
    assert (ours.exists(), old.exists()) == (True, False)


def test_keeps_the_links_by_which_a_node_finds_what_is_its_own(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "files").mkdir()
    for name in ("fasttask", "conf"):
        (tmp_path / "files" / name).symlink_to(tmp_path / "elsewhere")
        os.utime(tmp_path / "files" / name, (0, 0), follow_symlinks=False)
    settings = make_settings(conf_dir=tmp_path / "files" / "conf", file_expiration_seconds=AGE)

    assert remove_expired_files(settings) == 0
    assert settings.fasttask_files_dir.is_dir()
    assert settings.conf_dir.is_dir()


def test_follows_no_links(settings: Settings, tmp_path: Path) -> None:
    outside = _make(tmp_path / "outside" / "old", 2 * AGE)
    link = settings.files_dir / "link"
    link.symlink_to(outside.parent)
    os.utime(link, (0, 0), follow_symlinks=False)

    remove_expired_files(settings)
    assert outside.exists()
    assert not link.is_symlink()


def test_a_folder_that_nobody_may_look_into_keeps_no_other_from_being_cleaned(
    make_settings: Callable[..., Settings],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        settings = make_settings(files_dir=Path(folder) / "files", file_expiration_seconds=AGE)
        for name in "abcde":
            _make(settings.files_dir / f"{name}{name}" / "old", 2 * AGE)
        closed = settings.files_dir / "cc"
        closed.chmod(0)
        removed = _removed_without_privileges(settings)
        closed.chmod(0o700)

        assert removed == 8
        assert [path.name for path in settings.files_dir.glob("*/old")] == ["old"]


def _removed_without_privileges(settings: Settings) -> int:
    if os.geteuid() != 0:
        return remove_expired_files(settings)
    for path in [settings.files_dir, *settings.files_dir.rglob("*")]:
        os.chown(path, SOMEBODY, -1)
    os.seteuid(SOMEBODY)
    try:
        return remove_expired_files(settings)
    finally:
        os.seteuid(0)


class FasterOne(logging.Handler):
    """Removes all files of a folder the moment that the first one is."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002  whichever it is
        for path in list(self._folder.glob("*")):
            path.unlink()


def test_a_file_that_somebody_else_removes_keeps_no_other_from_being_cleaned(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    for name in "abc":
        _make(settings.files_dir / "folder" / name, 2 * AGE)
    log, faster = logging.getLogger("fasttask.expiry"), FasterOne(settings.files_dir / "folder")
    caplog.set_level(logging.INFO, logger=log.name)
    log.addHandler(faster)
    try:
        assert remove_expired_files(settings) == 2, "the first file, and the folder"
    finally:
        log.removeHandler(faster)

    assert [path.name for path in settings.files_dir.iterdir()] == ["fasttask"]


def test_one_process_at_a_time_works(settings: Settings) -> None:
    _make(settings.files_dir / "old", 2 * AGE)
    with (settings.fasttask_files_dir / "cleanup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert remove_expired_files(settings) == 0
    assert remove_expired_files(settings) == 1


def test_the_record_of_a_files_owner_goes_with_the_file(settings: Settings) -> None:
    for name, age in [("old", 2 * AGE), ("new", 1), ("removed", None), ("coming", None)]:
        if age is not None:
            _make(settings.files_dir / name, age)
        _make(settings.owners_dir / name, 1 if name == "coming" else 2 * AGE)

    assert remove_expired_files(settings) == 1
    assert {path.name for path in settings.owners_dir.iterdir()} == {"new", "coming"}
