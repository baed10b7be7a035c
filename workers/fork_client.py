"""The parent's side of the fork server: starts it, asks for children, hears of their ends."""

import asyncio
import contextlib
import itertools
import logging
import os
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from config.logs import event
from workers.child import JobLimits
from workers.child_handle import ChildHandle
from workers.fork_server import LARGEST_PACKET
from workers.tickets import Tickets

log = logging.getLogger("fasttask.worker")

START_TIMEOUT = 60.0  # seconds that importing all tasks may take


class ForkServerError(Exception):
    """The fork server could not do what it was asked; the message says why."""


@dataclass(frozen=True, slots=True)
class ForkPlan:
    """What the fork server needs to know."""

    tasks_dir: Path
    tasks: tuple[str, ...]
    limits: JobLimits
    environment: Mapping[str, str]


class ForkClient:
    """Owns one fork server process. When that dies its children do too, and it can be restarted."""

    def __init__(self, plan: ForkPlan) -> None:
        self._plan = plan
        self._process: asyncio.subprocess.Process | None = None
        self._control: socket.socket | None = None
        self._children: dict[int, ChildHandle] = {}
        self._ready: asyncio.Future[None] | None = None
        self._asked: dict[int, tuple[asyncio.Future[ChildHandle], socket.socket, Tickets]] = {}
        self._numbers = itertools.count()
        self._starting = asyncio.Lock()

    async def start(self) -> None:
        """Start the server and wait until it has loaded the tasks.

        Raises:
            ForkServerError: a task file cannot be loaded, or it takes too long.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "workers.fork_server", str(theirs.fileno()),
                str(os.getpid()), str(self._plan.tasks_dir), ",".join(self._plan.tasks),
                str(self._plan.limits.soft_seconds), str(self._plan.limits.result_bytes),
                stdin=asyncio.subprocess.DEVNULL, pass_fds=[theirs.fileno()],
                start_new_session=True, env=dict(self._plan.environment),
            )  # fmt: skip
        ours.setblocking(False)
        self._control = ours
        loop = asyncio.get_running_loop()
        self._ready = loop.create_future()
        loop.add_reader(ours.fileno(), self._hear)
        try:
            await asyncio.wait_for(self._ready, START_TIMEOUT)
        except TimeoutError:
            self.close()
            text = f"importing the tasks took longer than {START_TIMEOUT:g} s"
            raise ForkServerError(text) from None

    async def spawn(self) -> ChildHandle:
        """A new child, ready for its first job. Restarts the fork server if it has died.

        Raises:
            ForkServerError: no process could be made.
        """
        async with self._starting:
            if self._control is None:
                await self.start()
        assert self._control is not None
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        tickets = Tickets()
        number = next(self._numbers)
        made: asyncio.Future[ChildHandle] = asyncio.get_running_loop().create_future()
        self._asked[number] = made, ours, tickets
        with theirs:
            request = orjson.dumps({"spawn": number})
            socket.send_fds(self._control, [request], [theirs.fileno(), tickets.reader])
        return await made

    def kill(self, pid: int) -> None:
        """Kill a child with its process group; its handle hears of it."""
        if self._control is not None:
            self._control.send(orjson.dumps({"kill": pid}))

    def close(self) -> None:
        """End the fork server and with it all children."""
        if self._control is not None:
            self._lost("the worker ends")

    async def wait_closed(self) -> None:
        """Wait until the fork server has gone, after close()."""
        if self._process is not None:
            await self._process.wait()

    def _hear(self) -> None:
        assert self._control is not None
        while self._control is not None:
            try:
                packet = self._control.recv(LARGEST_PACKET)
            except BlockingIOError:
                return
            except ConnectionError:
                packet = b""
            if not packet:
                self._lost("the fork server died")
                return
            self._understand(orjson.loads(packet))

    def _understand(self, message: dict[str, Any]) -> None:
        match message:
            case {"ready": True}:
                self._settle_start(None)
            case {"spawned": number, "pid": pid}:
                made, connection, tickets = self._asked.pop(number)
                child = self._children[pid] = ChildHandle(pid, connection, tickets, self.kill)
                if made.done():  # whoever asked went away
                    self.kill(pid)
                else:
                    made.set_result(child)
            case {"spawned": number, "failed": text}:
                self._refuse(number, text)
            case {"failed": text}:
                self._settle_start(ForkServerError(text))
            case {"exited": pid, "status": status, "peak_kib": peak}:
                if pid in self._children:
                    self._children.pop(pid).has_exited(status, peak)

    def _settle_start(self, error: ForkServerError | None) -> None:
        if self._ready is not None and not self._ready.done():
            if error is None:
                self._ready.set_result(None)
            else:
                self._ready.set_exception(error)

    def _refuse(self, number: int, text: str) -> None:
        made, connection, tickets = self._asked.pop(number)
        connection.close()
        tickets.close()
        if not made.done():
            made.set_exception(ForkServerError(text))

    def _lost(self, why: str) -> None:
        """Forget a fork server that is gone: its children died with it, not so theirs."""
        event(log, logging.INFO, "fork_server_gone", why=why)
        assert self._control is not None
        asyncio.get_running_loop().remove_reader(self._control.fileno())
        self._control.close()
        self._control = None
        self._settle_start(ForkServerError(why))
        for number in list(self._asked):
            self._refuse(number, why)
        children, self._children = self._children, {}
        for child in children.values():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
            child.has_exited(None, 0)
