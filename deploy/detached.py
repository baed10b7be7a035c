"""A process of its own session that goes on with what this one has loaded."""

import gc
import os
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

        No thread should be running: the fork has none of them, but what they hold locked.
        """
        with log.open("wb") as output:
            self.pid = os.fork()
            if self.pid == 0:
                _be(become, output.fileno())
        self._ended = False

    def has_ended(self) -> bool:
        """Whether it has; looking does not wait."""
        self._ended = self._ended or self._look(os.WNOHANG)
        return self._ended

    def wait(self) -> None:
        """Wait until it has ended."""
        self._ended = self._ended or self._look(0)

    def _look(self, options: int) -> bool:
        try:
            return os.waitpid(self.pid, options) != (0, 0)
        except ChildProcessError:  # whoever started us lets the kernel forget processes that end
            return True


def _be(become: Callable[[], NoReturn], output: int) -> NoReturn:
    try:
        gc.disable()  # it would close descriptors of what it frees, which are others' by then
        _leave_terminal(output)
        become()
    except ConfigurationError as error:
        say(*error.lines)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def _leave_terminal(output: int) -> None:
    os.setsid()
    os.dup2(output, 1)  # first: it may itself be 0, if that was closed
    os.dup2(output, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number in [int(path.name) for path in OPEN_FILES.iterdir()]:
        if number > 2:
            with suppress(OSError):  # that of the listing is closed already
                os.close(number)
