"""Outcomes on disk: whole or not at all, and not lost with the process."""

import errno
from pathlib import Path

import pytest

from workers.outbox import Outbox
from workers.outcome import Ending, Outcome, StopReason, outcome_of_text
from workers.queue.records import ClaimedJob

JOB = ClaimedJob("id-1", "task", "1:w@h:n.0", 1, b"{}", "key")
OUTCOMES = [
    Outcome(Ending.SUCCESS, b'{"big":123456789012345678901234567890}'),
    outcome_of_text(Ending.FAILURE, "Traceback \u2026\n"),
    outcome_of_text(Ending.KILLED, "revoked", StopReason.REVOKED),
]


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outcomes")


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda o: o.ending.name)
def test_what_was_kept_comes_back_as_it_was(
    outbox: Outbox, tmp_path: Path, outcome: Outcome
) -> None:
    outbox.keep(JOB, outcome)
    [(job, kept)] = Outbox(tmp_path / "outcomes").kept()
    assert kept == outcome
    assert (job.id, job.task, job.token, job.concurrency_key) == ("id-1", "task", JOB.token, "key")


def test_what_was_handed_in_is_gone(outbox: Outbox) -> None:
    outbox.keep(JOB, OUTCOMES[0])
    outbox.forget(JOB)
    outbox.forget(JOB)
    assert list(outbox.kept()) == []


def test_each_attempt_has_a_place_of_its_own(outbox: Outbox) -> None:
    second = ClaimedJob("id-1", "task", "2:w@h:n.0", 2, b"{}", "")
    outbox.keep(JOB, OUTCOMES[0])
    outbox.keep(second, OUTCOMES[1])
    assert {job.token for job, _ in outbox.kept()} == {JOB.token, second.token}


def test_a_write_that_was_cut_short_is_not_there(outbox: Outbox, tmp_path: Path) -> None:
    outbox.keep(JOB, OUTCOMES[0])
    [file] = (tmp_path / "outcomes").iterdir()
    file.rename(file.with_suffix(".part"))
    assert list(outbox.kept()) == []

    Outbox(tmp_path / "outcomes")  # at the next start
    assert list((tmp_path / "outcomes").iterdir()) == []


def test_an_outcome_that_does_not_fit_on_the_disk_takes_no_room_there(
    outbox: Outbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        outbox.keep(JOB, OUTCOMES[0])

    assert list((tmp_path / "outcomes").iterdir()) == []


@pytest.mark.parametrize("garbage", [b"", b"{", b"[]", b"{}", b'{"id":1}'])
def test_what_cannot_be_read_is_set_aside(outbox: Outbox, tmp_path: Path, garbage: bytes) -> None:
    outbox.keep(JOB, OUTCOMES[0])
    [file] = (tmp_path / "outcomes").iterdir()
    file.write_bytes(garbage)
    assert list(outbox.kept()) == []
    assert [f.suffix for f in (tmp_path / "outcomes").iterdir()] == [".unreadable"]
