"""The slots of a worker: each has one child at a time and runs one job at a time in it."""

import asyncio
import logging
from collections.abc import Callable

from config.logs import event
from workers.child_handle import ChildHandle
from workers.fork_client import ForkClient, ForkServerError
from workers.outcome import Outcome, StopReason
from workers.queue.listeners import reconnect_delays
from workers.queue.records import ClaimedJob

log = logging.getLogger("fasttask.worker")


class Slot:
    """One place to run a job: a child process that is replaced whenever it dies or gets old."""

    def __init__(self, forks: ForkClient, time_limit: float, jobs_per_child: int) -> None:
        """``time_limit`` is in seconds and bounds each job."""
        self._forks = forks
        self._time_limit = time_limit
        self._jobs_per_child = jobs_per_child
        self._jobs_done = 0
        self._child: ChildHandle | None = None

    @property
    def is_ready(self) -> bool:
        """Whether there is a live child that may run another job."""
        alive = self._child is not None and not self._child.gone.is_set()
        return alive and self._jobs_done < self._jobs_per_child

    @property
    def pid(self) -> int | None:
        """The process id of the child, if there is one."""
        return self._child.pid if self._child is not None else None

    async def refill(self, on_death: Callable[[], None]) -> None:
        """Get a new child in place of a dead or old one; tries until it succeeds."""
        if self._child is not None and not self._child.gone.is_set():
            self._child.stop(StopReason.SHUTDOWN)
            await self._child.gone.wait()
        self._child = await self._spawn()
        self._child.on_exit = on_death
        self._jobs_done = 0

    async def run(self, job: ClaimedJob) -> Outcome:
        """Run a job within the time limit; its outcome, whatever happens to the child."""
        assert self._child is not None
        loop = asyncio.get_running_loop()
        alarm = loop.call_later(self._time_limit, self.stop, StopReason.TIME_LIMIT)
        try:
            self._jobs_done += 1
            return await self._child.run(job.task, job.data)
        finally:
            alarm.cancel()

    def stop(self, reason: StopReason) -> None:
        """Kill the child, and with it the job that runs here."""
        if self._child is not None:
            self._child.stop(reason)

    async def _spawn(self) -> ChildHandle:
        for delay in reconnect_delays():
            try:
                return await self._forks.spawn()
            except (ForkServerError, OSError) as error:
                event(log, logging.ERROR, "no_child", why=error)
            await asyncio.sleep(delay)
        raise AssertionError("the delays are endless")


class SlotPool:
    """All slots of a worker. A slot is free only while it is ready: jobs never wait for a child."""

    def __init__(self, slots: list[Slot]) -> None:
        self.freed = asyncio.Event()  #: set whenever a slot becomes free
        self._slots = slots
        self._free: list[Slot] = []
        self._promised = 0
        self._busy: dict[str, Slot] = {}
        self._refills: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Give every slot its child."""
        await asyncio.gather(*map(self._refill, self._slots))

    @property
    def free(self) -> int:
        """How many more jobs may be taken now."""
        return len(self._free) - self._promised

    def promise(self) -> None:
        """Keep a slot for a job that was taken and is about to run."""
        self._promised += 1

    @property
    def children(self) -> list[int]:
        """The process ids of the children."""
        return [slot.pid for slot in self._slots if slot.pid is not None]

    async def run(self, job: ClaimedJob) -> Outcome:
        """Run a job in the slot that was promised for it."""
        while not self._free:  # its child died meanwhile
            self.freed.clear()
            await self.freed.wait()
        self._promised -= 1
        slot = self._busy[job.id] = self._free.pop()
        try:
            return await slot.run(job)
        finally:
            del self._busy[job.id]
            self._look_after(slot)

    def stop(self, job_id: str, reason: StopReason) -> bool:
        """Kill a job; False if it does not run here (any more)."""
        slot = self._busy.get(job_id)
        if slot is not None:
            slot.stop(reason)
        return slot is not None

    def close(self) -> None:
        """Stop replacing children."""
        for refill in self._refills:
            refill.cancel()

    def _look_after(self, slot: Slot) -> None:
        if slot.is_ready:
            self._offer(slot)
        else:
            refill = asyncio.create_task(self._refill(slot))
            self._refills.add(refill)
            refill.add_done_callback(self._refills.discard)

    async def _refill(self, slot: Slot) -> None:
        await slot.refill(on_death=lambda: self._idle_child_died(slot))
        self._offer(slot)

    def _offer(self, slot: Slot) -> None:
        self._free.append(slot)
        self.freed.set()

    def _idle_child_died(self, slot: Slot) -> None:
        if slot in self._free:  # else its job's outcome tells
            self._free.remove(slot)
            self._look_after(slot)
