"""A folder that this process may not enter, even if root runs the tests."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534


@contextmanager
def not_to_be_entered(folder: Path) -> Iterator[None]:
    """Make it, closed to this process; so is then all that is root's alone."""
    user = os.geteuid()
    folder.mkdir(mode=0o000)
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)
        folder.chmod(0o700)
