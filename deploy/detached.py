"""A process of its own session that goes on with what this one has loaded."""

import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from config.errors import ConfigurationError
from deploy.terminal import say

OPEN_FILES = Path("/dev/fd")  # of this process


class Detached:
    """A fork of this process, started just now. Closing this terminal does not end it."""

    def __init__(self, become: Callable[[], NoReturn], log: Path) -> None:
        """Start it: it becomes something else, and writes what it says to ``log``, anew.

        No thread may be running.
        """
        with log.open("wb") as output:
            self.pid = os.fork()
            if self.pid == 0:
                _be(become, output.fileno())
        self._ended = False

    def has_ended(self) -> bool:
        """Whether it has; looking does not wait."""
        self._ended = self._ended or os.waitpid(self.pid, os.WNOHANG) != (0, 0)
        return self._ended

    def wait(self) -> None:
        """Wait until it has ended."""
        if not self._ended:
            os.waitpid(self.pid, 0)
            self._ended = True


def _be(become: Callable[[], NoReturn], output: int) -> NoReturn:
    try:
        _leave_terminal(output)
        become()
    except ConfigurationError as error:
        say(*error.lines)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(1)


def _leave_terminal(output: int) -> None:
    os.setsid()
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    for number in [int(path.name) for path in OPEN_FILES.iterdir()]:
        if number > 2:
            with suppress(OSError):  # that of the listing is closed already
                os.close(number)
