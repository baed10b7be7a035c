"""The audit log's file: whole lines, whoever writes, and no more than a few files."""

import stat
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import orjson
import pytest

from config import audit
from config.audit import KEPT, Deed, write_lines
from config.settings import Settings


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    """Of a node of its own."""
    return make_settings()


def line(about: str = "") -> bytes:
    return Deed("ann", "192.0.2.1", "create add", 200, about).line(1_767_225_600.25)


def test_a_line_says_who_did_what_when_from_where_and_how_it_ended() -> None:
    assert orjson.loads(line("job-1")) == {
        "time": "2026-01-01T00:00:00.250Z", "who": "ann", "from": "192.0.2.1",
        "what": "create add", "about": "job-1", "result": 200,
    }  # fmt: skip
    assert "about" not in orjson.loads(line())


def test_what_clients_send_stays_in_one_short_line() -> None:
    line = Deed("a", "b", "run x\n{}" * 1000, 404, "é\n" * 1000).line(0.0)

    assert line.count(b"\n") == 1
    assert len(line) < 2000


def test_only_the_node_reads_it(settings: Settings) -> None:
    write_lines(settings, line())

    assert stat.S_IMODE(settings.audit_log_file.stat().st_mode) == 0o600


def test_it_is_rotated_and_the_oldest_go(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "ROTATED_AT", 1)
    for number in range(10):
        write_lines(settings, line(f"{number}"))
    files = {path.name: path.read_bytes() for path in settings.log_dir.iterdir()}

    assert len(files) == 1 + KEPT
    assert [orjson.loads(files[name])["about"] for name in sorted(files)] == list("987654")


def _write_many(settings: Settings, writer: int) -> None:
    for number in range(100):
        write_lines(settings, b"".join(line(f"{writer}-{number}-{part}") for part in range(3)))


def test_processes_that_write_at_once_lose_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "ROTATED_AT", 60_000)  # the forked writers see it too
    with ProcessPoolExecutor(3, get_context("fork")) as writers:
        list(writers.map(_write_many, [settings] * 3, range(3)))
    files = list(settings.log_dir.iterdir())
    seen = {
        orjson.loads(line)["about"] for path in files for line in path.read_bytes().splitlines()
    }

    assert len(files) > 1
    assert len(seen) == 900
