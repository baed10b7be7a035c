"""The system's user that tasks run as, where that is another one than the node's."""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

# Bits of the process's capabilities: linux/capability.h.
CAP_SETGID, CAP_SETUID = 6, 7


@dataclass(frozen=True, slots=True)
class TaskUser:
    """A user of this machine."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]  #: all of them
    home: str


def find_task_user(name: str) -> TaskUser:
    """The user called ``name``, as whom this process can start others.

    Raises:
        ValueError: there is none, it is the node's own user or root, or the node lacks the right
            to start processes of other users; the message says which.
    """
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        raise ValueError("is no user of this machine; make it with useradd --system") from None
    if found.pw_uid in (0, os.geteuid()):
        raise ValueError("is root or the node's own user; name one with fewer rights")
    if not _can_become_others():
        raise ValueError("needs a node that runs as root or with CAP_SETUID and CAP_SETGID")
    groups = tuple(os.getgrouplist(name, found.pw_gid))
    return TaskUser(name, found.pw_uid, found.pw_gid, groups, found.pw_dir)


def _can_become_others() -> bool:
    if os.geteuid() == 0:
        return True
    wanted = 1 << CAP_SETGID | 1 << CAP_SETUID
    return _effective_capabilities() & wanted == wanted


def _effective_capabilities() -> int:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:  # not Linux
        return 0
    return next((int(line.split()[1], 16) for line in lines if line.startswith("CapEff:")), 0)
