"""The slots of a worker: each has one child at a time, and the child runs one job at a time."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from functools import partial
from operator import attrgetter

from config.logs import event
from workers.child_handle import UNSTARTED, ChildHandle, not_begun
from workers.fork_client import ForkClient, ForkServerError
from workers.outcome import Outcome, StopReason
from workers.pace import PATIENCE_SECONDS, Pace
from workers.queue.listeners import reconnect_delays
from workers.queue.records import ClaimedJob
from workers.retries import until_it_works

log = logging.getLogger("fasttask.worker")

HEARD_SECONDS = 0.05  # within which is heard what a child has said
HELD_UP_SECONDS = 0.5  # the same, if this process was held up for as long
# The emptiest comes first; of those with as many jobs, who has been on the first one for longest.
BY_LOAD = attrgetter("outstanding", "busy_since")


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
        self._overdue = ""  # the token of a job whose time was up when the alarm rang last
        self._pauses = reconnect_delays()  # before a child that may end at once as well

    @property
    def is_ready(self) -> bool:
        """Whether there is a live child that may be sent another job."""
        child = self._child
        may_take = child is not None and child.takes_more
        return may_take and self._jobs_done < self._jobs_per_child

    @property
    def capacity(self) -> int:
        """How many jobs its child may hold, the running one included, until it is replaced."""
        return self.outstanding + self._jobs_per_child - self._jobs_done

    @property
    def outstanding(self) -> int:
        """How many jobs are in here, the running one included."""
        return self._child.outstanding if self._child is not None else 0

    @property
    def busy_since(self) -> float:
        """Since when it runs its first job, by the monotonic clock; 0 if it has none."""
        return self._child.busy_since if self._child is not None else 0.0

    @property
    def seconds_on_first(self) -> float:
        """How long it has been running its job; 0 if it has none."""
        return self._child.seconds_on_first if self._child is not None else 0.0

    @property
    def pid(self) -> int | None:
        """The process id of the child, if there is one."""
        return self._child.pid if self._child is not None else None

    async def refill(
        self, on_death: Callable[[], None], on_answer: Callable[[float], None] = lambda _: None
    ) -> None:
        """Get a new child in place of a dead or old one; tries until it succeeds."""
        if self._child is not None:
            await self._see_off(self._child)
        self._child = await self._spawn()
        self._child.on_exit = on_death
        self._child.on_answer = on_answer
        self._jobs_done = 0

    def run(self, job: ClaimedJob) -> asyncio.Future[Outcome]:
        """Run a job within the time limit; what will be its outcome, whatever happens to the child.

        The slot has had one before.
        """
        assert self._child is not None
        self._jobs_done += 1
        if self._alarm is None:
            self._set_alarm(self._time_limit)
        return self._child.run(job)

    def stop(self, token: str, reason: StopReason) -> None:
        """End the job with this token, if it is in here."""
        if self._child is not None:
            self._child.stop(token, reason)

    def give_back(self) -> None:
        """End all its jobs that were not started, as UNSTARTED."""
        if self._child is not None:
            self._child.take_back()

    async def _see_off(self, child: ChildHandle) -> None:
        """Have a child end, and wait a while if it ended before it was of any use."""
        if not child.gone.is_set():
            child.kill(StopReason.SHUTDOWN)
            await child.gone.wait()
        if child.has_worked:
            self._pauses = reconnect_delays()
            return
        pause = next(self._pauses)
        event(log, logging.WARNING, "child_ended_early", pid=child.pid, next_in=pause)
        await asyncio.sleep(pause)

    def _set_alarm(self, seconds: float) -> None:
        self._alarm = asyncio.get_running_loop().call_later(seconds, self._ring)

    def _ring(self) -> None:
        """One alarm for all jobs: it looks how long the present one has been running.

        It rings twice for one that runs too long. An answer or an end may be there and not be
        heard yet, above all if this process was held up itself.
        """
        self._alarm = None
        if self._child is None or not self._child.outstanding:
            return
        left = self._time_limit - self._child.seconds_on_first
        if left <= 0 and self._child.first == self._overdue:
            self._child.stop_first(StopReason.TIME_LIMIT)
        self._overdue = self._child.first if left <= 0 else ""
        self._set_alarm(HELD_UP_SECONDS if left < -HELD_UP_SECONDS else max(left, HEARD_SECONDS))

    async def _spawn(self) -> ChildHandle:
        tell = partial(event, log, logging.ERROR, "no_child")
        return await until_it_works(self._forks.spawn, (ForkServerError, OSError), tell)


class SlotPool:
    """All slots of a worker, and how many jobs they take: see pace.py."""

    def __init__(self, slots: list[Slot]) -> None:
        self.freed = asyncio.Event()  #: set whenever jobs are wanted again
        self._slots = slots
        self._pace = Pace(len(slots))
        self._promised: dict[str, StopReason | None] = {}  # token -> why it must not begin any more
        self._waiting = 0  # jobs that were promised a place and find none
        self._busy: dict[str, Slot] = {}
        self._refilling: dict[Slot, asyncio.Task[None]] = {}
        self._relief: asyncio.TimerHandle | None = None
        self._is_to_look = False
        self._next_look: asyncio.TimerHandle | None = None
        self._closed = False

    async def start(self) -> None:
        """Give every slot its child."""
        await asyncio.gather(*map(self._refill, self._slots))

    @property
    def free(self) -> int:
        """How many more jobs could begin at once."""
        return self._free_of(self._places())

    @property
    def room(self) -> int:
        """How many more jobs may be taken now, those ahead included."""
        return self._room_of(self._places())

    @property
    def wants_jobs(self) -> bool:
        """Whether to take more: a slot is idle, about to be, or half of the places are free."""
        places = self._places()
        if self._free_of(places) > 0:
            return True
        room = self._room_of(places)
        return room > 0 and (self._pace.foresees_ends or 2 * room >= sum(places.values()))

    @property
    def foresees_ends(self) -> bool:
        """Whether long jobs, too, are taken ahead: shortly before one ends."""
        return self._pace.foresees_ends

    def promise(self, token: str) -> None:
        """Keep a place for a job that was taken and is about to run; it can be stopped already."""
        self._promised[token] = None

    def take_promise_back(self, token: str) -> None:
        """Keep no place any more for a job that will not come."""
        del self._promised[token]
        self.freed.set()

    @property
    def children(self) -> list[int]:
        """The process ids of the children."""
        return [slot.pid for slot in self._slots if slot.pid is not None]

    async def run(self, job: ClaimedJob) -> Outcome:
        """Run a job at the place that was promised for it."""
        slot = self._emptiest() or await self._awaited_place()
        stopped_for = self._promised.pop(job.token)
        if slot is None or stopped_for is not None:
            self._look_soon()
            return UNSTARTED if stopped_for is None else not_begun(stopped_for)
        self._busy[job.token] = slot
        if slot.outstanding and self._relief is None:
            self._set_relief()
        if self._pace.foresees_ends:
            self._look_soon()  # when it runs
        try:
            return await slot.run(job)
        finally:
            del self._busy[job.token]
            self._look_after(slot)

    def stop(self, token: str, reason: StopReason) -> bool:
        """End the attempt with this token; False if it is not here (any more)."""
        if token in self._promised:
            self._promised[token] = self._promised[token] or reason
            return True
        slot = self._busy.get(token)
        if slot is not None:
            slot.stop(token, reason)
        return slot is not None

    def give_back(self) -> None:
        """End all jobs that were not started, as UNSTARTED."""
        for slot in self._slots:
            slot.give_back()

    def close(self) -> None:
        """Stop replacing children, those too that die from now on."""
        self._closed = True
        for refilling in self._refilling.values():
            refilling.cancel()

    def _places(self) -> dict[Slot, int]:
        """The slots that take jobs, and how many each may hold now, the running one included."""
        return {slot: most for slot in self._slots if (most := self._most_in(slot))}

    def _most_in(self, slot: Slot) -> int:
        """How many jobs a slot may hold now, the running one included; 0 if it takes none."""
        seconds = slot.seconds_on_first
        if not slot.is_ready or self._pace.runs_on(seconds) or slot in self._refilling:
            return 0
        return min(1 + self._pace.ahead(seconds), slot.capacity)

    def _free_of(self, places: dict[Slot, int]) -> int:
        return sum(not slot.outstanding for slot in places) - len(self._promised)

    def _room_of(self, places: dict[Slot, int]) -> int:
        room = sum(max(0, number - slot.outstanding) for slot, number in places.items())
        return room - len(self._promised)

    def _emptiest(self) -> Slot | None:
        """Where the next job goes, as nearly always where jobs are short; None if it is full."""
        slot = min(self._slots, key=BY_LOAD)
        return slot if slot.outstanding < self._most_in(slot) else None

    async def _awaited_place(self) -> Slot | None:
        """Where the next job goes; None if it would have to wait behind a long one."""
        while not (places := self._places()):  # the child died meanwhile, or its job runs on
            if self._closed or any(map(self._runs_on, self._slots)):
                return None
            await self._wait_for_a_slot()
        idle = (slot for slot in places if not slot.outstanding)
        return next(idle, None) or max(
            places, key=lambda slot: (places[slot] - slot.outstanding, slot.seconds_on_first)
        )

    def _runs_on(self, slot: Slot) -> bool:
        return self._pace.runs_on(slot.seconds_on_first)

    async def _wait_for_a_slot(self) -> None:
        """Until there may be one, or a job may have turned out to run on."""
        self._waiting += 1
        self.freed.clear()
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.freed.wait(), PATIENCE_SECONDS)
        finally:
            self._waiting -= 1

    def _set_relief(self) -> None:
        loop = asyncio.get_running_loop()
        self._relief = loop.call_later(PATIENCE_SECONDS, self._relieve)

    def _relieve(self) -> None:
        """Let no job wait here while it could run elsewhere."""
        self._relief = None
        for slot in filter(self._runs_on, self._slots):
            slot.give_back()
        if any(slot.outstanding > 1 for slot in self._slots):
            self._set_relief()

    def _look_soon(self) -> None:
        """Look once for all that ends or begins now, since a look goes through all slots."""
        if not self._is_to_look:
            self._is_to_look = True
            asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        """See whether jobs are wanted."""
        self._is_to_look = False
        if self._waiting or self.wants_jobs:
            self.freed.set()
        self._set_next_look()

    def _set_next_look(self) -> None:
        """Look again when a running job is about to end: the next one may be taken then."""
        if self._next_look is not None:
            self._next_look.cancel()
            self._next_look = None
        if not self._pace.foresees_ends:
            return
        alone = (slot.seconds_on_first for slot in self._slots if slot.outstanding == 1)
        until = [left for left in map(self._pace.seconds_until_next, alone) if left > 0]
        if until:
            self._next_look = asyncio.get_running_loop().call_later(min(until), self._look)

    def _look_after(self, slot: Slot) -> None:
        """A job has left it, or its child has ended or is new: see what is to be done now."""
        self._look_soon()
        is_idle = not slot.outstanding and slot not in self._refilling
        if is_idle and not slot.is_ready and not self._closed:
            self._refilling[slot] = asyncio.create_task(self._refill(slot))

    async def _refill(self, slot: Slot) -> None:
        try:
            await slot.refill(lambda: self._look_after(slot), self._pace.observe)
        finally:
            self._refilling.pop(slot, None)
        self._look_after(slot)  # it may have died before anybody was to be told
