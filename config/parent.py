"""Who belongs to whom: processes that do not outlive their parent, and who inherits orphans."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h


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
    _prctl(PR_SET_PDEATHSIG, int(sig))
    if os.getppid() != expected:
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of those descendants whose own parent ends; nothing off Linux."""
    if sys.platform == "linux":
        _prctl(PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")
