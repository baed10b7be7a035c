"""A node whose folder was copied is another node."""

import shutil
from collections.abc import Callable
from pathlib import Path

from config.settings import Settings
from workers.identity import claim_identity, worker_name


def name_at_start(settings: Settings) -> str:
    """The worker's name, as it is when it has started, and ended."""
    claim_identity(settings).close()  # type: ignore[attr-defined]
    return worker_name(settings)


def test_its_worker_has_a_name_of_its_own(node: Callable[..., Settings], tmp_path: Path) -> None:
    first = node(files_dir=tmp_path / "first")
    name = name_at_start(first)
    shutil.copytree(first.files_dir, tmp_path / "copy")
    copied = name_at_start(node(files_dir=tmp_path / "copy"))
    assert copied != name
    assert name_at_start(node(files_dir=tmp_path / "copy")) == copied
    assert name_at_start(first) == name


def test_an_id_that_was_not_written_is_made(node: Callable[..., Settings]) -> None:
    settings = node()
    (settings.conf_dir / "node_id").touch()
    assert not name_at_start(settings).endswith("-")


def test_an_id_of_a_former_version_is_kept(node: Callable[..., Settings]) -> None:
    settings = node()
    (settings.conf_dir / "node_id").write_text("01234567")
    assert name_at_start(settings).endswith("-01234567")
