"""What all groups of settings are, and the kinds of value that several of them use."""

import os
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

# The queue server counts whole milliseconds, and not without end: 100 years.
LONGEST_SECONDS = 100 * 365 * 86_400
Seconds = Annotated[float, Field(ge=0.001, le=LONGEST_SECONDS, allow_inf_nan=False)]
Count = Annotated[int, Field(le=2**62)]  # what the kernel and others keep in 64 bits
Port = Annotated[int, Field(ge=1, le=65535)]


class SettingGroup(BaseModel):
    """Some settings of a node that belong together; used as a part of ``Settings`` only."""

    # Validators are built when first used, so those of a group alone never are. Building them all
    # would take each process 10 ms more at its start.
    model_config = ConfigDict(frozen=True, defer_build=True)


def cpu_count() -> int:
    """The CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
