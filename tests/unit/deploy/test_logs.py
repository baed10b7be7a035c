from collections.abc import Callable
from pathlib import Path

import pytest

from config.errors import ConfigurationError
from config.settings import Settings
from deploy.logs import end_of, follow, log_files, sizes


def test_only_the_nodes_own_logs_count(node: Callable[..., Settings]) -> None:
    settings = node()
    for name in ("worker.log", "api.log", "node.log", "queue_sync.log", "syslog.log"):
        (settings.log_dir / name).touch()
    assert [log.name for log in log_files(settings)] == [
        "node.log",
        "queue_sync.log",
        "worker.log",
        "api.log",
    ]


def test_the_end_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"line {number}\n" for number in range(100)))
    lines = end_of(log)
    assert (lines[0], lines[1], lines[-1]) == (f"--- the end of {log}", "line 80", "line 99")


def test_what_a_former_start_wrote_is_left_out(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("old\n")
    mark = sizes([log])[log]
    assert end_of(log, mark) == []
    with log.open("a") as file:
        file.write("new\n")
    assert end_of(log, mark)[1:] == ["new"]


def test_a_log_that_was_rotated_is_shown_from_its_start(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("new\n")
    assert end_of(log, after=1000)[1:] == ["new"]


def test_a_log_that_does_not_exist_has_no_end(tmp_path: Path) -> None:
    assert end_of(tmp_path / "log") == []


def test_without_logs_there_is_nothing_to_follow(node: Callable[..., Settings]) -> None:
    with pytest.raises(ConfigurationError, match="there are no logs in LOG_DIR="):
        follow(node())
