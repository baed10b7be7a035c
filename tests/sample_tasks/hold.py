"""A task that runs until it is let go, and keeps a record of its attempts outside the queue."""

import os
import time
from pathlib import Path

from pydantic import BaseModel


class Params(BaseModel):
    record: str  # a file: one line per attempt, the process id of the attempt
    seconds: float = 60.0


class Result(BaseModel):
    pid: int


def hold(record, seconds=60.0):
    """Run until the file `record`.go is there, or for so many seconds."""
    with Path(record).open("a") as file:
        file.write(f"{os.getpid()}\n")
    end = time.monotonic() + seconds
    while time.monotonic() < end and not Path(record + ".go").exists():
        time.sleep(0.01)
    return {"pid": os.getpid()}
