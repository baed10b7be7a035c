import os
import stat
from pathlib import Path

import pytest

from config.errors import ConfigurationError
from deploy.private_file import write_private


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        write_private(tmp_path / "secret", "text")
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_it_takes_the_place_of_an_older_one(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    link, kept = tmp_path / "secret", tmp_path / "kept" / "elsewhere"
    kept.parent.mkdir()
    link.symlink_to(kept)
    for content in ("old", "new"):
        write_private(link, content)
        assert (kept.read_text(), link.readlink()) == (content, kept)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a link to somebody else")
def test_a_link_of_somebody_else_is_not_followed(tmp_path: Path) -> None:
    link, system = tmp_path / "secret", tmp_path / "passwd"
    system.write_text("the system's")
    link.symlink_to(system)
    os.lchown(link, 65534, 65534)
    write_private(link, "new")
    assert (system.read_text(), link.read_text(), link.is_symlink()) == (
        "the system's", "new", False,
    )  # fmt: skip


def test_a_path_that_is_no_text_can_be_written(tmp_path: Path) -> None:
    write_private(tmp_path / "file", os.fsdecode(b"\xff"))
    assert (tmp_path / "file").read_bytes() == b"\xff"


def test_what_cannot_be_written_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(ConfigurationError, match="taken cannot be written"):
        write_private(tmp_path / "taken", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
