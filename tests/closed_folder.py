"""Folders that are closed to this process, even if root runs the tests."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534


@contextmanager
def not_to_be_entered(folder: Path) -> Iterator[None]:
    """Make it, closed to this process; so is then all that is root's alone."""
    folder.mkdir()
    with _with_mode(folder, 0o000):
        yield


@contextmanager
def not_to_be_written(folder: Path) -> Iterator[None]:
    """This process may look into it and change nothing there."""
    with _with_mode(folder, 0o500):
        yield


@contextmanager
def _with_mode(folder: Path, mode: int) -> Iterator[None]:
    user = os.geteuid()
    folder.chmod(mode)
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)
        folder.chmod(0o700)
