"""A worker's name, and that there is one worker a node."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from config.errors import ConfigurationError
from config.settings import Settings, load_settings
from workers.identity import claim_identity, worker_name
from workers.presence import ActiveJob, Presence, peak_memory_kib

MakeSettings = Callable[..., Settings]


def test_a_name_is_the_same_at_every_start(make_settings: MakeSettings) -> None:
    first = worker_name(make_settings(worker_tag="gpu"))

    assert re.fullmatch(r"gpu@\S+-[0-9a-f]{8}", first)
    assert worker_name(make_settings(worker_tag="gpu")) == first


def test_nodes_have_different_names(make_settings: MakeSettings, tmp_path: Path) -> None:
    names = {worker_name(make_settings(files_dir=f"{tmp_path}/{n}")) for n in range(5)}
    assert len(names) == 5


def test_a_second_worker_on_the_same_files_is_refused(make_settings: MakeSettings) -> None:
    settings = make_settings()
    held = claim_identity(settings)
    with pytest.raises(ConfigurationError, match="give this one its own"):
        claim_identity(settings)
    held.close()  # type: ignore[attr-defined]
    claim_identity(settings).close()  # type: ignore[attr-defined]


def test_a_node_that_starts_for_the_first_time_gets_its_folder(tmp_path: Path) -> None:
    settings = load_settings(files_dir=tmp_path / "not" / "there")

    claim_identity(settings).close()  # type: ignore[attr-defined]
    assert worker_name(settings)


def test_a_presence_tells_what_runs() -> None:
    presence = Presence("w@h-1", "h", 4, ("a", "b"))
    said = presence.now([ActiveJob("j", "a", started=0.0)], [os.getpid()])

    assert (said["name"], said["concurrency"], said["tasks"]) == ("w@h-1", 4, ["a", "b"])
    assert said["active_tasks"] == [{"id": "j", "task": "a", "started_at": "1970-01-01T00:00:00Z"}]
    assert said["max_rss"] == 2 * peak_memory_kib(os.getpid()) > 10_000
    assert said["uptime"] >= 0


def test_a_process_that_is_gone_uses_no_memory() -> None:
    assert peak_memory_kib(2**22 + 1) == 0
