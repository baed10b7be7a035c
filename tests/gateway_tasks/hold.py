"""A task that runs until it is let go."""

import os
import time
from pathlib import Path

from pydantic import BaseModel


class Params(BaseModel):
    record: str  # a file that appears when the job runs; it holds the process id


class Result(BaseModel):
    pid: int


def hold(record):
    """Run until the file `record`.go is there, for a minute at most."""
    Path(record + ".part").write_text(str(os.getpid()))
    Path(record + ".part").rename(record)
    end = time.monotonic() + 60
    while time.monotonic() < end and not Path(record + ".go").exists():
        time.sleep(0.01)
    return {"pid": os.getpid()}
