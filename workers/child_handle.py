"""A child as its parent sees it: one job goes in, one outcome comes out, or the child ends."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable

from workers.frames import CHUNK, FrameBuffer, framed
from workers.outcome import Ending, Outcome, StopReason, outcome_of_text

STOP_TEXTS = {
    StopReason.TIME_LIMIT: "killed: the task ran longer than TIME_LIMIT and its process was ended",
    StopReason.REVOKED: "revoked",
    StopReason.LEASE_LOST: "killed: another attempt of the job has taken over",
    StopReason.SHUTDOWN: "killed: its worker shuts down",
}


class ChildHandle:
    """One live child process; the bytes it sends are cut into frames and never unpickled."""

    def __init__(
        self, pid: int, connection: socket.socket, kill_process: Callable[[int], None]
    ) -> None:
        """``connection`` is our end of the child's socket, non-blocking."""
        self.pid = pid
        self.gone = asyncio.Event()
        self.on_exit: Callable[[], None] = lambda: None  #: called once the process has ended
        self._connection = connection
        self._kill_process = kill_process
        self._buffer = FrameBuffer()
        self._answer: asyncio.Future[Outcome] | None = None
        self._stopped_for: StopReason | None = None
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(connection.fileno(), self._read)

    async def run(self, task: str, job: bytes) -> Outcome:
        """Have the child run a job, and wait for its outcome or for the child's end."""
        self._answer = self._loop.create_future()
        if self.gone.is_set():
            self._answer.set_result(self._outcome_of_exit(None, 0))
        else:
            await self._send(framed(task.encode(), b"\0", job))
        try:
            return await self._answer
        finally:
            self._answer = None

    def stop(self, reason: StopReason) -> None:
        """Kill the child and all its descendants. The job's outcome says the reason."""
        self._stopped_for = self._stopped_for or reason
        self._kill_process(self.pid)

    def has_exited(self, status: int | None, peak_kib: int) -> None:
        """The process has ended; what it had answered before counts."""
        self._read()
        self._close()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(self._outcome_of_exit(status, peak_kib))
        self.gone.set()
        self.on_exit()

    async def _send(self, frame: bytes) -> None:
        try:
            sent = self._connection.send(frame)
        except BlockingIOError:
            sent = 0
        except OSError:  # it has just died: has_exited will say so
            return
        if sent < len(frame):
            await self._send_rest(memoryview(frame)[sent:])

    async def _send_rest(self, rest: memoryview) -> None:
        """The part of a large job that did not fit into the socket; given up if the child dies."""
        sending = asyncio.ensure_future(self._loop.sock_sendall(self._connection, rest))
        ending = asyncio.ensure_future(self.gone.wait())
        await asyncio.wait({sending, ending}, return_when=asyncio.FIRST_COMPLETED)
        for one in (sending, ending):
            one.cancel()
        await asyncio.gather(sending, ending, return_exceptions=True)

    def _read(self) -> None:
        while self._connection.fileno() >= 0:
            try:
                chunk = self._connection.recv(CHUNK)
            except BlockingIOError:
                return
            except OSError:
                chunk = b""
            if not chunk:  # closed: the process is about to end, or has
                self._loop.remove_reader(self._connection.fileno())
                return
            for frame in self._buffer.feed(chunk):
                self._answered(Outcome(Ending(frame[:1]), frame[1:]))

    def _answered(self, outcome: Outcome) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(outcome)

    def _close(self) -> None:
        if self._connection.fileno() >= 0:
            self._loop.remove_reader(self._connection.fileno())
            self._connection.close()

    def _outcome_of_exit(self, status: int | None, peak_kib: int) -> Outcome:
        if self._stopped_for is not None:
            text = STOP_TEXTS[self._stopped_for]
            return outcome_of_text(Ending.KILLED, text, self._stopped_for)
        return outcome_of_text(Ending.CRASHED, _epitaph(status, peak_kib))


def _epitaph(status: int | None, peak_kib: int) -> str:
    """How a process ended that nobody had asked to."""
    if status is None:
        return "crashed: the task's process died with its fork server"
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        how = f"was killed by signal {number} ({signal.strsignal(number)})"
        if number == signal.SIGKILL:
            how += ", perhaps for want of memory"
    else:
        how = f"exited with status {os.waitstatus_to_exitcode(status)}"
    return f"crashed: the task's process {how}; its peak memory was {peak_kib / 1024:.0f} MiB"
