"""The supervisor as a node needs it: ``python -m deploy.supervisord``, with its usual arguments.

Supervisor takes a log that cannot be written for a reason to end, and with it ends the whole node:
whether the disk of the logs is full or somebody removed their folder, no job depends on it. It does
the same if it cannot listen again at once for an API that was killed. And it looks once a second
only whether there is anything to start, or a signal has come.
"""

import os
import signal
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

from supervisor import loggers, process, supervisord
from supervisor.options import ServerOptions
from supervisor.socket_manager import SocketManager


class PatientLog(loggers.RotatingFileHandler):  # type: ignore[misc]  # supervisor has no types
    """A log that leaves out what cannot be written, and goes on when it can be again."""

    def __init__(self, filename: str, *arguments: Any, **options: Any) -> None:
        _make_folder_of(filename)
        super().__init__(filename, *arguments, **options)

    def emit(self, record: Any) -> None:
        """Write a record, if that can be done."""
        if self.stream.closed:  # a rotation got so far and no further
            self.reopen()
        with suppress(OSError, ValueError):
            super().emit(record)

    def reopen(self) -> None:
        """Open the file again, if that can be done, in a folder that may be gone."""
        with suppress(OSError, ValueError):  # what it could not write, it cannot at its end
            self.close()
        self.closed = True
        with suppress(OSError):
            _make_folder_of(self.baseFilename)
            super().reopen()

    def handleError(self) -> None:
        """Say nothing: standard error is a log as well, on the same disk."""


class NodeOptions(ServerOptions):  # type: ignore[misc]
    """The supervisor's options and what it does with the system, less what would harm a node."""

    def setsignals(self) -> None:
        """Have SIGHUP do nothing; the supervisor would stop all parts and start them again."""
        super().setsignals()
        signal.signal(signal.SIGHUP, lambda *_: None)  # SIG_IGN would be the parts' as well

    def write_pidfile(self) -> None:
        """Leave the file alone: it holds our id, and its lock says that the node runs.

        The supervisor would also remove it at its end, while the lock is still held.
        """
        self.logger.info(f"supervisord started with pid {os.getpid()}")


class LastingSocket(SocketManager):  # type: ignore[misc]
    """The API's listening socket, which outlives the API: who comes while there is none waits."""

    def _close(self) -> None:
        """Leave it open, though nobody serves it now.

        It could not be bound again as long as a process that is about to end has it, too, and for
        that the supervisor would end.
        """


class Bell:
    """Wakes the supervisor when a signal has come, as one of the sockets that it looks at."""

    def __init__(self, sockets: dict[int, Any]) -> None:
        """``sockets`` are those, by their descriptors."""
        self._sockets = sockets
        self._rung, self._ringing = socket.socketpair()
        for end in (self._rung, self._ringing):
            end.setblocking(False)

    def __enter__(self) -> None:
        self._sockets[self._rung.fileno()] = self
        signal.set_wakeup_fd(self._ringing.fileno(), warn_on_full_buffer=False)

    def __exit__(self, *_error: object) -> None:
        signal.set_wakeup_fd(-1)
        del self._sockets[self._rung.fileno()]
        self._ringing.close()
        self._rung.close()

    def readable(self) -> bool:
        """Part of what the supervisor asks its sockets for, as are the others here."""
        return True

    def writable(self) -> bool:
        """Never."""
        return False

    def handle_read_event(self) -> None:
        """The signals themselves are known to the supervisor already."""
        self._rung.recv(4096)

    def handle_error(self) -> None:
        """Nothing is lost if it was not heard."""


class PromptSupervisor(supervisord.Supervisor):  # type: ignore[misc]
    """The supervisor, without its waits of up to a second for what is there already."""

    def runforever(self) -> None:
        """Start the parts at once, and hear signals at once."""
        for group in sorted(self.process_groups.values()):
            group.transition()
        with Bell(self.options.get_socket_map()):
            super().runforever()


def _make_folder_of(log: str) -> None:
    Path(log).parent.mkdir(parents=True, exist_ok=True)


if __name__ == "__main__":
    loggers.RotatingFileHandler = PatientLog
    supervisord.ServerOptions = NodeOptions
    supervisord.Supervisor = PromptSupervisor
    process.SocketManager = LastingSocket
    supervisord.main()
