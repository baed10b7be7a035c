"""Starting a process as another user of the system."""

import ctypes
import os
import sys
from collections.abc import Callable, Mapping

from config.task_user import TaskUser

# linux/prctl.h
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 47, 4


def becoming(user: TaskUser) -> Callable[[], None]:
    """What a new process does to be ``user``'s, between fork and exec, and never somebody else's.

    Neither the node's capabilities nor set-user-ID programs, such as sudo, give it more rights.
    """
    prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None

    def become() -> None:
        if prctl is not None:
            prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
            if prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
                raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS) failed")
        os.setgroups(user.groups)
        os.setresgid(user.gid, user.gid, user.gid)
        os.setresuid(user.uid, user.uid, user.uid)

    return become


def environment_of(user: TaskUser, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment as ``user`` would have it."""
    return {**environment, "HOME": user.home, "USER": user.name, "LOGNAME": user.name}
