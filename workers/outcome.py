"""What can become of an attempt to run a job: plain data, the same on both sides of the pipe."""

from enum import Enum, StrEnum
from typing import NamedTuple

import orjson

LONGEST_TEXT = 256 * 1024  # characters of a traceback that are kept: its first and last halves


class Ending(bytes, Enum):
    """How an attempt ended. It is the first byte of the child's answer."""

    SUCCESS = b"S"  #: returned something that matches Result
    FAILURE = b"F"  #: raised, or returned something else
    SOFT_TIMEOUT = b"T"  #: raised out of the soft time limit
    UNREADABLE = b"U"  #: the stored job is not what it should be; user code did not run
    KILLED = b"K"  #: the parent killed the child; see StopReason. Never sent by a child
    CRASHED = b"C"  #: the child died by itself. Never sent by a child
    UNSTARTED = b"N"  #: user code did not run, and will not. Never sent by a child


ENDINGS = {ending.value: ending for ending in Ending}  # Ending(...) takes five times as long


class StopReason(StrEnum):
    """Why a parent kills a child that runs a job."""

    TIME_LIMIT = "time limit"
    REVOKED = "revoked"
    LEASE_LOST = "lease lost"
    SHUTDOWN = "shutdown"


class Outcome(NamedTuple):
    """The ending of one attempt. ``result`` is JSON: an object on SUCCESS, else a string."""

    ending: Ending
    result: bytes
    reason: StopReason | None = None  #: set if and only if KILLED

    @property
    def text(self) -> str:
        """The reason or traceback of anything but SUCCESS."""
        return str(orjson.loads(self.result))


def outcome_of_text(ending: Ending, text: str, reason: StopReason | None = None) -> Outcome:
    """An outcome that is told by a text: shortened in the middle if too long, and valid UTF-8."""
    if len(text) > LONGEST_TEXT:
        half = LONGEST_TEXT // 2
        left_out = len(text) - 2 * half
        text = f"{text[:half]}\n... {left_out} characters left out ...\n{text[-half:]}"
    clean = text.encode("utf-8", "replace").decode()
    return Outcome(ending, orjson.dumps(clean), reason)
