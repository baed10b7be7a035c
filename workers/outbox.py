"""Outcomes that could not be handed in yet, on disk, so that they outlive this process too.

A file is written when the queue server does not take an outcome at the first try, so there are at
most as many as jobs that a worker holds. It has the job's token: handed in after a restart, it
counts only if no other attempt has taken over.
"""

import contextlib
import hashlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import orjson

from config.logs import event
from workers.outcome import Ending, Outcome, StopReason
from workers.queue.records import ClaimedJob

log = logging.getLogger("fasttask.worker")

SUFFIX = ".outcome"
PART = ".part"


class Outbox:
    """A folder with one file per outcome, each written whole or not at all."""

    def __init__(self, folder: Path) -> None:
        """``folder`` is made if it is missing; nobody else may use it."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        for half_written in folder.glob(f"*{PART}"):  # when an earlier process of it was killed
            half_written.unlink(missing_ok=True)

    def keep(self, job: ClaimedJob, outcome: Outcome) -> None:
        """Put an outcome on the disk; when this returns it is there to stay.

        Raises:
            OSError: the disk is full or broken.
        """
        path = self._path(job)
        if path.exists():
            return
        temporary = path.with_suffix(PART)
        try:
            _write(temporary, _encoded(job, outcome))
        except OSError:  # it is tried again and again, and takes the room that others need
            temporary.unlink(missing_ok=True)
            raise
        temporary.replace(path)
        _sync_folder(self._folder)

    def forget(self, job: ClaimedJob) -> None:
        """Remove an outcome that was handed in."""
        self._path(job).unlink(missing_ok=True)

    def kept(self) -> Iterator[tuple[ClaimedJob, Outcome]]:
        """All outcomes on the disk. What cannot be read is set aside and logged."""
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            try:
                yield _decoded(path.read_bytes())
            except (OSError, ValueError, KeyError, TypeError) as error:
                event(log, logging.ERROR, "outcome_unreadable", path=path, why=error)
                with contextlib.suppress(OSError):
                    path.replace(path.with_suffix(".unreadable"))

    def _path(self, job: ClaimedJob) -> Path:
        name = hashlib.sha256(f"{job.id} {job.token}".encode()).hexdigest()[:32]
        return self._folder / f"{name}{SUFFIX}"


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _encoded(job: ClaimedJob, outcome: Outcome) -> bytes:
    return orjson.dumps(
        {
            "id": job.id,
            "task": job.task,
            "token": job.token,
            "attempt": job.attempt,
            "concurrency_key": job.concurrency_key,
            "ending": outcome.ending.decode(),
            "reason": outcome.reason,
            "result": outcome.result.decode(),
        }
    )


def _decoded(stored: bytes) -> tuple[ClaimedJob, Outcome]:
    fields = orjson.loads(stored)
    reason = fields["reason"]
    job = ClaimedJob(
        fields["id"], fields["task"], fields["token"], fields["attempt"], b"",
        fields["concurrency_key"],
    )  # fmt: skip
    outcome = Outcome(
        Ending(fields["ending"].encode()),
        fields["result"].encode(),
        None if reason is None else StopReason(reason),
    )
    return job, outcome


def _sync_folder(folder: Path) -> None:
    """Make a new name durable: fsync(2) of a file does not cover its folder's entry."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
