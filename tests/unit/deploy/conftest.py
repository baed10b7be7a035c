"""Settings of a node in the test's own folder."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings, load_settings
from deploy.folders import make_folders
from deploy.sockets import remove_sockets


@pytest.fixture(autouse=True)
def no_settings_in_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of whoever runs the tests reaches the settings, nor does a `.env`."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Callable[..., Settings]]:
    """Makes the settings of a node below the test's folder; its folders exist."""
    made: list[Settings] = []

    def make(**overrides: Any) -> Settings:
        settings = load_settings(**{"files_dir": tmp_path / "files", **overrides})
        made.append(settings)
        make_folders(settings)
        return settings

    yield make
    for settings in made:
        remove_sockets(settings)
