"""The audit log: who did what, when, from where and with what result; one JSON object a line.

Never a secret: not what a client sent, but names, ids and results only.
"""

import fcntl
import os
from pathlib import Path
from typing import NamedTuple

import orjson

from config.ownership import give_to_owner_of
from config.settings import Settings
from config.times import iso

ROTATED_AT = 10 * 2**20  # bytes, as the other logs
KEPT = 5  # rotated files, as of the other logs
LONGEST_TEXT = 300  # characters of a field: some come from clients


class Deed(NamedTuple):
    """Something that somebody did, or tried."""

    who: str  #: the user's name
    address: str  #: where it came from
    what: str  #: such as `create add`
    result: str | int  #: the answer's status, or a word that tells more
    about: str = ""  #: the id of a job or the name of a file
    sha256: str = ""  #: of a file that was stored

    def line(self, at: float) -> bytes:
        """It, as it stands in the log if it was done ``at`` so many seconds since 1970."""
        fields: dict[str, str | int] = {
            "time": iso(int(at * 1000)),
            "who": self.who[:LONGEST_TEXT],
            "from": self.address,
            "what": self.what[:LONGEST_TEXT],
        }
        if self.about:
            fields["about"] = self.about[:LONGEST_TEXT]
        if self.sha256:
            fields["sha256"] = self.sha256
        fields["result"] = self.result
        return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)


def write_lines(settings: Settings, lines: bytes | bytearray) -> None:
    """Append what was done to the audit log, whatever other processes do so at the same time.

    Raises:
        OSError: it cannot be written.
    """
    log = settings.audit_log_file
    log.parent.mkdir(parents=True, exist_ok=True)
    with (settings.fasttask_files_dir / "audit.lock").open("w") as lock:
        give_to_owner_of(settings.fasttask_files_dir, lock.fileno())
        fcntl.flock(lock, fcntl.LOCK_EX)
        if log.exists() and log.stat().st_size >= ROTATED_AT:
            _rotate(log)
        descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            give_to_owner_of(log.parent, descriptor)
            file.write(lines)


def _rotate(log: Path) -> None:
    for number in range(KEPT, 0, -1):
        older = log.with_name(f"{log.name}.{number - 1}") if number > 1 else log
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number}"))
