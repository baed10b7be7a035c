"""A task that tells when it ran: to see what ran at the same time."""

import time

from pydantic import BaseModel


class Params(BaseModel):
    seconds: float


class Result(BaseModel):
    began: float
    ended: float


def doze(seconds):
    """Sleep; the result is in seconds of the host's monotonic clock."""
    began = time.monotonic()
    time.sleep(seconds)
    return {"began": began, "ended": time.monotonic()}
