"""The slots of a worker: each has one child at a time, and the child runs one job at a time."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from config.logs import event
from workers.child_handle import UNSTARTED, ChildHandle
from workers.fork_client import ForkClient, ForkServerError
from workers.outcome import Outcome, StopReason
from workers.pace import Pace
from workers.queue.records import ClaimedJob
from workers.retries import until_it_works

log = logging.getLogger("fasttask.worker")

PATIENCE_SECONDS = 0.04  # how long a job may wait in a slot behind one that runs on and on


class Slot:
    """One place to run jobs: a child process that is replaced whenever it dies or gets old."""

    def __init__(self, forks: ForkClient, time_limit: float, jobs_per_child: int) -> None:
        """``time_limit`` is in seconds and bounds each job."""
        self._forks = forks
        self._time_limit = time_limit
        self._jobs_per_child = jobs_per_child
        self._jobs_done = 0
        self._child: ChildHandle | None = None
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def is_ready(self) -> bool:
        """Whether there is a live child that may be sent another job."""
        child = self._child
        may_take = child is not None and child.takes_more
        return may_take and self._jobs_done < self._jobs_per_child

    @property
    def outstanding(self) -> int:
        """How many jobs are in here, the running one included."""
        return self._child.outstanding if self._child is not None else 0

    @property
    def runs_on(self) -> bool:
        """Whether its job has been running for so long that nothing should wait behind it."""
        return self._child is not None and self._child.seconds_on_first > PATIENCE_SECONDS

    @property
    def pid(self) -> int | None:
        """The process id of the child, if there is one."""
        return self._child.pid if self._child is not None else None

    async def refill(
        self, on_death: Callable[[], None], on_answer: Callable[[float], None] = lambda _: None
    ) -> None:
        """Get a new child in place of a dead or old one; tries until it succeeds."""
        if self._child is not None and not self._child.gone.is_set():
            self._child.kill(StopReason.SHUTDOWN)
            await self._child.gone.wait()
        self._child = await self._spawn()
        self._child.on_exit = on_death
        self._child.on_answer = on_answer
        self._jobs_done = 0

    async def run(self, job: ClaimedJob) -> Outcome:
        """Run a job within the time limit; its outcome, whatever happens to the child."""
        if self._child is None:
            return UNSTARTED
        self._jobs_done += 1
        if self._alarm is None:
            self._set_alarm(self._time_limit)
        return await self._child.run(job)

    def stop(self, token: str, reason: StopReason) -> None:
        """End the job with this token, if it is in here."""
        if self._child is not None:
            self._child.stop(token, reason)

    def relieve(self) -> None:
        """Give back what waits behind a job that runs on and on, as UNSTARTED."""
        if self._child is not None and self.runs_on:
            self._child.take_back()

    def _set_alarm(self, seconds: float) -> None:
        self._alarm = asyncio.get_running_loop().call_later(seconds, self._ring)

    def _ring(self) -> None:
        """One alarm for all jobs: it looks how long the present one has been running."""
        self._alarm = None
        if self._child is None or not self._child.outstanding:
            return
        left = self._time_limit - self._child.seconds_on_first
        if left <= 0:
            self._child.kill(StopReason.TIME_LIMIT)
        self._set_alarm(max(left, 0.05))

    async def _spawn(self) -> ChildHandle:
        tell = partial(event, log, logging.ERROR, "no_child")
        return await until_it_works(self._forks.spawn, (ForkServerError, OSError), tell)


class SlotPool:
    """All slots of a worker, and how many jobs they take: short ones some ahead."""

    def __init__(self, slots: list[Slot]) -> None:
        self.freed = asyncio.Event()  #: set whenever jobs are wanted again
        self._slots = slots
        self._pace = Pace(len(slots))
        self._promised = 0
        self._waiting = 0  # jobs that were promised a place and find none
        self._busy: dict[str, Slot] = {}
        self._refilling: dict[Slot, asyncio.Task[None]] = {}
        self._relief: asyncio.TimerHandle | None = None
        self._closed = False

    async def start(self) -> None:
        """Give every slot its child."""
        await asyncio.gather(*map(self._refill, self._slots))

    @property
    def free(self) -> int:
        """How many more jobs could begin at once."""
        return self._free_of(self._ready())

    @property
    def room(self) -> int:
        """How many more jobs may be taken now, those ahead included."""
        return self._room_of(self._ready())

    @property
    def wants_jobs(self) -> bool:
        """Whether it is time to take more: a slot is idle, or half of the places are free."""
        ready = self._ready()  # asked after every job, so looked for once
        enough = len(self._slots) * (1 + self._pace.ahead)
        return self._free_of(ready) > 0 or 2 * self._room_of(ready) >= enough

    def promise(self) -> None:
        """Keep a place for a job that was taken and is about to run."""
        self._promised += 1

    def take_promise_back(self) -> None:
        """Keep no place any more for a job that will not come."""
        self._promised -= 1
        self.freed.set()

    @property
    def children(self) -> list[int]:
        """The process ids of the children."""
        return [slot.pid for slot in self._slots if slot.pid is not None]

    async def run(self, job: ClaimedJob) -> Outcome:
        """Run a job at the place that was promised for it."""
        slot = await self._emptiest()
        self._promised -= 1
        if slot is None:
            return UNSTARTED
        self._busy[job.token] = slot
        if slot.outstanding and self._relief is None:
            self._set_relief()
        try:
            return await slot.run(job)
        finally:
            del self._busy[job.token]
            self._look_after(slot)

    def stop(self, token: str, reason: StopReason) -> bool:
        """End the attempt with this token; False if it is not here (any more)."""
        slot = self._busy.get(token)
        if slot is not None:
            slot.stop(token, reason)
        return slot is not None

    def close(self) -> None:
        """Stop replacing children, those too that die from now on."""
        self._closed = True
        for refilling in self._refilling.values():
            refilling.cancel()

    def _free_of(self, ready: list[Slot]) -> int:
        return sum(not slot.outstanding for slot in ready) - self._promised

    def _room_of(self, ready: list[Slot]) -> int:
        depth = 1 + self._pace.ahead
        return sum(max(0, depth - slot.outstanding) for slot in ready) - self._promised

    def _ready(self) -> list[Slot]:
        """The slots that take jobs, at once or ahead."""
        return [
            slot
            for slot in self._slots
            if slot.is_ready and not slot.runs_on and slot not in self._refilling
        ]

    async def _emptiest(self) -> Slot | None:
        """Where the next job goes; None if it would have to wait behind a long one."""
        while not (ready := self._ready()):  # the child died meanwhile, or its job runs on
            if any(slot.runs_on for slot in self._slots):
                return None
            await self._wait_for_a_slot()
        return min(ready, key=lambda slot: slot.outstanding)

    async def _wait_for_a_slot(self) -> None:
        self._waiting += 1
        self.freed.clear()
        try:
            await self.freed.wait()
        finally:
            self._waiting -= 1

    def _set_relief(self) -> None:
        loop = asyncio.get_running_loop()
        self._relief = loop.call_later(PATIENCE_SECONDS, self._relieve)

    def _relieve(self) -> None:
        """Let no job wait here while it could run elsewhere."""
        self._relief = None
        for slot in self._slots:
            slot.relieve()
        if any(slot.outstanding > 1 for slot in self._slots):
            self._set_relief()

    def _look_after(self, slot: Slot) -> None:
        if slot.is_ready:
            if self._waiting or self.wants_jobs:
                self.freed.set()
        elif not slot.outstanding and not self._closed and slot not in self._refilling:
            self._refilling[slot] = asyncio.create_task(self._refill(slot))

    async def _refill(self, slot: Slot) -> None:
        try:
            await slot.refill(lambda: self._look_after(slot), self._pace.observe)
        finally:
            self._refilling.pop(slot, None)
        self.freed.set()
