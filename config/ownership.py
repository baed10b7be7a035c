"""Whose a node's files are, also when root makes one."""

import os
from pathlib import Path


def give_to_owner_of(folder: Path, descriptor: int) -> None:
    """Make an open file the folder's owner's, if root writes it.

    A command that root runs beside a node of another account, as in a container, must not leave
    files that the node cannot read.
    """
    if os.geteuid() == 0:
        owner = folder.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
