"""A child as its parent sees it: jobs go in, an outcome for each comes out, or the child ends."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from workers.frames import CHUNK, FrameBuffer, framed
from workers.outcome import ENDINGS, Ending, Outcome, StopReason, outcome_of_text
from workers.queue.records import ClaimedJob
from workers.tickets import Tickets

STOP_TEXTS = {
    StopReason.TIME_LIMIT: "killed: the task ran longer than TIME_LIMIT and its process was ended",
    StopReason.REVOKED: "revoked",
    StopReason.LEASE_LOST: "killed: another attempt of the job has taken over",
    StopReason.SHUTDOWN: "killed: its worker shuts down",
}
UNSTARTED = outcome_of_text(Ending.UNSTARTED, "not started")


def killed(reason: StopReason) -> Outcome:
    """The outcome of a job that was stopped."""
    return outcome_of_text(Ending.KILLED, STOP_TEXTS[reason], reason)


def not_begun(reason: StopReason) -> Outcome:
    """The outcome of a job that was stopped before it began: if its worker ends, no attempt."""
    return UNSTARTED if reason is StopReason.SHUTDOWN else killed(reason)


@dataclass(eq=False, slots=True)
class _Sent:
    """A job that was sent and is not answered."""

    ticket: bytes
    frame: bytes
    outcome: asyncio.Future[Outcome]
    given: bool = False  #: whether its ticket was


class ChildHandle:
    """One live child process; the bytes it sends are cut into frames and never unpickled.

    Several jobs may be under way to it. It runs one after the other, in the order they were sent,
    and answers each before it takes the ticket of the next.
    """

    def __init__(
        self, pid: int, connection: socket.socket, tickets: Tickets,
        kill_process: Callable[[int], None],
    ) -> None:  # fmt: skip
        """``connection`` is our end of the child's socket, non-blocking."""
        self.pid = pid
        self.gone = asyncio.Event()
        self.has_worked = False  #: whether it has begun a job, as far as is known
        self.on_exit: Callable[[], None] = lambda: None  #: called once the process has ended
        self.on_answer: Callable[[float], None] = lambda _: None  #: with the seconds a job took
        self._connection = connection
        self._tickets = tickets
        self._kill_process = kill_process
        self._buffer = FrameBuffer()
        self._jobs: dict[str, _Sent] = {}  # by token, the first one runs or is about to
        self._first_since = 0.0
        self._unsent: list[_Sent] = []
        self._rest: asyncio.Task[None] | None = None  # sends what did not fit into the socket
        self._stopped_for: StopReason | None = None
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(connection.fileno(), self._read)

    @property
    def outstanding(self) -> int:
        """How many jobs it has, the running one included."""
        return len(self._jobs)

    @property
    def first(self) -> str:
        """The token of the job that it runs or is about to; empty if it has none."""
        return next(iter(self._jobs), "")

    @property
    def takes_more(self) -> bool:
        """Whether another job may be sent: not while one is so large that sending waits.

        Nor to a child that was killed, which is seen to end a bit later.
        """
        return self._rest is None and self._stopped_for is None and not self.gone.is_set()

    @property
    def busy_since(self) -> float:
        """Since when it runs its first job, by the monotonic clock; 0 if it has none."""
        return self._first_since if self._jobs else 0.0

    @property
    def seconds_on_first(self) -> float:
        """How long it has been running its first job; 0 if it has none."""
        return time.monotonic() - self._first_since if self._jobs else 0.0

    def run(self, job: ClaimedJob) -> asyncio.Future[Outcome]:
        """Have the child run a job; what will be its outcome, whatever happens to the child."""
        outcome: asyncio.Future[Outcome] = self._loop.create_future()
        if self.gone.is_set():
            outcome.set_result(UNSTARTED)
            return outcome
        ticket = self._tickets.new()
        frame = framed(ticket, job.task.encode(), b"\0", job.data)
        sent = _Sent(ticket, frame, outcome)
        if not self._jobs:
            self._first_since = time.monotonic()
        self._jobs[job.token] = sent
        if not self._unsent:
            self._loop.call_soon(self._send_all)
        self._unsent.append(sent)
        return outcome

    def stop(self, token: str, reason: StopReason) -> None:
        """End the job with this token: take it back, or kill the child that runs it.

        Once the tickets are back the child begins no other job. So what has begun then, and is not
        among its answers, is the one that it runs, or that has ended this moment.
        """
        if token not in self._jobs:  # it has ended by itself
            return
        unstarted = self._held_up()
        if self._has_begun(token, unstarted):
            self._end_all_but(token)
            self.kill(reason)
            return
        if token in self._jobs:
            unstarted.pop(token, None)
            self._end(token, not_begun(reason))
        self._let_go_on(unstarted)

    def stop_first(self, reason: StopReason) -> None:
        """End the job that has been here for longest, unless it has just ended by itself.

        If it was not even begun, it is the child that hangs: that is killed, and the job not ended.
        """
        first = self.first
        unstarted = self._held_up()
        if first in self._jobs:
            self._end_all_but(first if self._has_begun(first, unstarted) else "")
            self.kill(reason)
        else:
            self._let_go_on(unstarted)

    def take_back(self) -> None:
        """End all jobs that were not started, as UNSTARTED."""
        for token in self._taken_back():
            self._end(token, UNSTARTED)

    def kill(self, reason: StopReason) -> None:
        """Kill the child and all its descendants. The running job's outcome says the reason."""
        if self._stopped_for is None:
            self._stopped_for = reason
            self._kill_process(self.pid)

    def has_exited(self, status: int | None, peak_kib: int) -> None:
        """The process has ended; what it had answered before counts."""
        self._read()
        self.take_back()
        self.has_worked = self.has_worked or bool(self._jobs)
        self.gone.set()
        for token, sent in list(self._jobs.items()):
            self._end(token, self._outcome_of_exit(status, peak_kib) if sent.given else UNSTARTED)
        self._close()
        self.on_exit()

    def _held_up(self) -> dict[str, _Sent]:
        """Have the child begin nothing more, and hear what it has ended; what it did not begin."""
        unstarted = self._taken_back()
        self._read()
        return unstarted

    def _let_go_on(self, unstarted: Mapping[str, _Sent]) -> None:
        """Have a child that is held up begin these, in their order."""
        self._tickets.give(*(sent.ticket for sent in unstarted.values()))

    def _has_begun(self, token: str, unstarted: Collection[str]) -> bool:
        """Whether a child that is held up has begun this job, and not ended it."""
        return token in self._jobs and self._jobs[token].given and token not in unstarted

    def _taken_back(self) -> dict[str, _Sent]:
        if not self._jobs:
            return {}
        unused = set(self._tickets.take_back())
        return {token: sent for token, sent in self._jobs.items() if sent.ticket in unused}

    def _end_all_but(self, token: str) -> None:
        """The others were not started, and this child is not to begin them any more."""
        for other in [other for other in self._jobs if other != token]:
            self._end(other, UNSTARTED)

    def _end(self, token: str, outcome: Outcome) -> None:
        sent = self._jobs.pop(token)
        if not sent.outcome.done():  # nobody waits for it any more
            sent.outcome.set_result(outcome)

    def _send_all(self) -> None:
        """Send what came together, and wake the child once for all of it."""
        jobs = [sent for sent in self._unsent if not sent.outcome.done()]
        self._unsent.clear()
        if not jobs or self.gone.is_set():
            return
        self._send(b"".join(sent.frame for sent in jobs))
        self._tickets.give(*(sent.ticket for sent in jobs))
        for sent in jobs:
            sent.given, sent.frame = True, b""

    def _send(self, frames: bytes) -> None:
        try:
            count = self._connection.send(frames)
        except BlockingIOError:
            count = 0
        except OSError:  # it has just died: has_exited will say so
            return
        if count < len(frames):
            self._rest = self._loop.create_task(self._send_rest(memoryview(frames)[count:]))

    async def _send_rest(self, rest: memoryview) -> None:
        """What did not fit into the socket; given up if the child dies."""
        sending = asyncio.ensure_future(self._loop.sock_sendall(self._connection, rest))
        ending = asyncio.ensure_future(self.gone.wait())
        await asyncio.wait({sending, ending}, return_when=asyncio.FIRST_COMPLETED)
        for one in (sending, ending):
            one.cancel()
        await asyncio.gather(sending, ending, return_exceptions=True)
        self._rest = None

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
                self._answered(_outcome_in(frame))
            if len(chunk) < CHUNK:  # that was all; if not, the loop calls again
                return

    def _answered(self, outcome: Outcome) -> None:
        token = next(iter(self._jobs), None)
        if token is not None:
            now = time.monotonic()
            self.has_worked = True
            self.on_answer(now - self._first_since)
            self._first_since = now
            self._end(token, outcome)

    def _close(self) -> None:
        if self._connection.fileno() >= 0:
            self._loop.remove_reader(self._connection.fileno())
            self._connection.close()
            self._tickets.close()

    def _outcome_of_exit(self, status: int | None, peak_kib: int) -> Outcome:
        if self._stopped_for is not None:
            return killed(self._stopped_for)
        return outcome_of_text(Ending.CRASHED, _epitaph(status, peak_kib))


def _outcome_in(frame: bytes) -> Outcome:
    """What a child answered. A task may write to its process's socket whatever it likes."""
    ending = ENDINGS.get(frame[:1])
    if ending is None:
        return outcome_of_text(Ending.FAILURE, "the task's process sent what is no outcome")
    return Outcome(ending, frame[1:])


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
