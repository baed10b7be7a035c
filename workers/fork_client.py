"""The parent's side of the fork server: starts it, asks for children, hears of their ends."""

import asyncio
import contextlib
import itertools
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from config.logs import event
from config.settings import Settings, task_environment
from config.task_user import TaskUser
from workers.child import JobLimits
from workers.child_handle import ChildHandle
from workers.fork_server import LARGEST_PACKET
from workers.other_user import becoming, environment_of
from workers.tickets import Tickets

log = logging.getLogger("fasttask.worker")

START_TIMEOUT = 60.0  # seconds that importing all tasks may take
HELD_UP_SECONDS = 0.1  # until a fork server that reads nothing is told again


class ForkServerError(Exception):
    """The fork server could not do what it was asked; the message says why."""


@dataclass(frozen=True, slots=True)
class ForkPlan:
    """What the fork server needs to know."""

    tasks_dir: Path
    tasks: tuple[str, ...]
    limits: JobLimits
    environment: Mapping[str, str]
    user: TaskUser | None = None  #: who it runs as, and so all tasks; None: as the worker does


def plan_of(settings: Settings) -> ForkPlan:
    """The plan of a node."""
    limits = JobLimits(
        settings.soft_time_limit,
        settings.max_result_bytes,
        settings.task_memory_bytes,
        settings.task_cpu_seconds,
        settings.task_open_files,
    )
    environment, user = task_environment(settings), settings.tasks_run_as
    return ForkPlan(settings.tasks_dir, settings.loaded_tasks, limits, environment, user)


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
            self._process = await self._execute(theirs.fileno())
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

    async def _execute(self, control: int) -> asyncio.subprocess.Process:
        plan = self._plan
        try:
            return await asyncio.create_subprocess_exec(
                sys.executable, "-m", "workers.fork_server", str(control), str(os.getpid()),
                str(plan.tasks_dir), ",".join(plan.tasks),
                orjson.dumps(asdict(plan.limits)).decode(),
                stdin=asyncio.subprocess.DEVNULL, pass_fds=[control], start_new_session=True,
                **self._identity(),
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError) as error:
            text = f"the fork server cannot be started: {error}{self._hint()}"
            raise ForkServerError(text) from None

    def _hint(self) -> str:
        """What to look at if the fork server has not got anywhere."""
        started = self._ready is not None and self._ready.done()
        if self._plan.user is None or started:
            return ""
        return (
            f"; TASK_USER={self._plan.user.name} has to be able to read FastTask, TASKS_DIR and "
            f"{sys.executable}"
        )

    def _identity(self) -> dict[str, Any]:
        user, environment = self._plan.user, self._plan.environment
        if user is None:
            return {"env": dict(environment)}
        return {"env": environment_of(user, environment), "preexec_fn": becoming(user)}

    async def spawn(self) -> ChildHandle:
        """A new child, ready for its first job. Restarts the fork server if it has died.

        Raises:
            ForkServerError: no process could be made.
        """
        async with self._starting:
            if self._control is None:
                await self.start()
        if self._control is None:
            raise ForkServerError("the fork server died as soon as it was ready")
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        tickets = Tickets()
        number = next(self._numbers)
        made: asyncio.Future[ChildHandle] = asyncio.get_running_loop().create_future()
        self._asked[number] = made, ours, tickets
        with theirs:
            request = orjson.dumps({"spawn": number})
            try:
                socket.send_fds(self._control, [request], [theirs.fileno(), tickets.reader])
            except OSError as error:
                self._refuse(number, f"the fork server cannot be asked: {error}")
        return await made

    def kill(self, pid: int) -> None:
        """Kill a child with its process group; its handle hears of it."""
        if self._control is None:
            return
        try:
            self._control.send(orjson.dumps({"kill": pid}))
        except BlockingIOError:  # it is held up, with as much unread as it may have
            asyncio.get_running_loop().call_later(HELD_UP_SECONDS, self.kill, pid)
        except ConnectionError:  # it has just died, and its children with it
            pass

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
                self._lost(f"the fork server died{self._hint()}")
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
