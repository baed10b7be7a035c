"""A process that does not outlive its parent, however the parent ends."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent(sig: int = signal.SIGKILL, parent: int | None = None) -> None:
    """Have the kernel send ``sig`` to this process when its parent ends; nothing off Linux.

    ``parent`` is the process id that the parent must have: whoever started this process knows it
    for certain, while this process itself cannot see that its parent ended before the call (its
    new parent, of id 1, is also the true one of a container's processes). A parent that is gone
    already ends this process at once. The wish outlives exec, but children do not inherit it.
    The kernel watches the parent's *thread* that started this process: prctl(2).
    """
    if sys.platform != "linux":
        return
    expected = os.getppid() if parent is None else parent
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(sig), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != expected:
        os._exit(1)
