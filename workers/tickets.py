"""The right to start a job, which its giver can take back as long as it was not used.

Jobs are sent to a child ahead of time, over a stream that cannot be unread. So a job is started
only with its ticket, and tickets go through a pipe that both sides read: the kernel gives each one
to the child or back to the parent, never to both.
"""

import os
import select
import struct
from collections.abc import Iterator

TICKET = struct.Struct("!I")
MOST_AT_ONCE = 1024  # tickets that are read at once, far more than are ever out


class Tickets:
    """The parent's side of a child's tickets: both ends of their pipe."""

    def __init__(self) -> None:
        self.reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._number = 0

    def new(self) -> bytes:
        """A ticket that was not given yet."""
        self._number = (self._number + 1) % 2**32
        return TICKET.pack(self._number)

    def give(self, *tickets: bytes) -> None:
        """Let the child start the jobs of these tickets, in this order."""
        os.write(self._writer, b"".join(tickets))

    def take_back(self) -> list[bytes]:
        """The tickets that were not used, in order; they will not be."""
        try:
            unused = os.read(self.reader, MOST_AT_ONCE * TICKET.size)
        except BlockingIOError:
            return []
        return [unused[i : i + TICKET.size] for i in range(0, len(unused), TICKET.size)]

    def close(self) -> None:
        """Never give another one."""
        os.close(self.reader)
        os.close(self._writer)


def usable_tickets(reader: int) -> Iterator[bytes]:
    """The child's side: each ticket as it is given, until there will be no more."""
    waiting = select.poll()
    waiting.register(reader, select.POLLIN)
    while True:
        try:
            ticket = os.read(reader, TICKET.size)
        except BlockingIOError:
            waiting.poll()
            continue
        if not ticket:
            return
        yield ticket
