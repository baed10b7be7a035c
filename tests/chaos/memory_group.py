"""A memory cgroup around some processes, so that the kernel itself runs out of memory for them."""

import itertools
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

# Version 1 of the interface; see https://docs.kernel.org/admin-guide/cgroup-v1/memory.html.
ROOT = Path("/sys/fs/cgroup/memory")

_numbers = itertools.count(1)


class MemoryGroup:
    """A group with a limit; gone at the end, what is left in it moves back to the root."""

    def __init__(self, mebibytes: int) -> None:
        self._folder = ROOT / f"ftchaos-{os.getpid()}-{next(_numbers)}"
        self._bytes = mebibytes * 2**20

    @staticmethod
    def is_possible() -> bool:
        """Whether such groups can be made here."""
        return (ROOT / "memory.limit_in_bytes").exists() and os.access(ROOT, os.W_OK)

    def __enter__(self) -> Self:
        self._folder.mkdir()
        (self._folder / "memory.limit_in_bytes").write_text(str(self._bytes))
        return self

    def take(self, pids: Iterable[int]) -> None:
        """Put processes into the group; what they fork from now on is in it too."""
        for pid in pids:
            (self._folder / "cgroup.procs").write_text(str(pid))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        for pid in (self._folder / "cgroup.procs").read_text().split():
            (ROOT / "cgroup.procs").write_text(pid)
        self._folder.rmdir()
