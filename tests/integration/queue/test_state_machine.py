"""The scripts against a model in a dict: whatever happens in whatever order, the promise holds."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
from arq.connections import ArqRedis
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine
from redis.asyncio.connection import UnixDomainSocketConnection

from config.nobody import NOBODY
from tests.queue_server import QueueServer
from tests.queue_state import assert_nothing_left, enqueue_by_arq, limited, new_job
from workers.queue import keys, owners
from workers.queue.broker import CRASH_LIMIT, Broker
from workers.queue.errors import KeyReusedError
from workers.queue.records import (
    FINAL_STATES,
    ClaimedJob,
    Idempotency,
    Lease,
    State,
    Verdict,
)
from workers.queue.serializer import deserialize, serialize

TASKS = ("a", "b")
LIMITS = {"k1": 1, "k2": 2}
WORKERS = ("w1", "w2", "w3")
USERS = ("ann", "bob:5@x")
NOBODIES = ("", NOBODY)


EXAMPLES = 150  # enough for 6,000 steps, whichever examples are drawn


@dataclass
class Model:
    """What must be true of one job."""

    task: str
    key: str
    user: str = ""  #: whose it is
    state: State = State.PENDING
    owner: ClaimedJob | None = None  #: the attempt that may write
    former: list[ClaimedJob] = field(default_factory=list)  #: attempts that may not
    lapsed: bool = False  #: the owner's lease has run out
    placeless: bool = False  #: and so has its place in the concurrency key
    crashes: int = 0
    aborted: bool = False
    stored: bytes | None = None  #: the result, once it is final
    dead: bool = False  #: and kept as a dead letter

    @property
    def is_final(self) -> bool:
        return self.state in FINAL_STATES

    @property
    def attempts(self) -> list[ClaimedJob]:
        return [*self.former, *([self.owner] if self.owner else [])]

    def retire(self) -> None:
        """The attempt that ran may write no more."""
        if self.owner is not None:
            self.former.append(self.owner)
        self.owner, self.lapsed, self.placeless = None, False, False

    def end(self, state: State) -> None:
        self.retire()
        self.state = state


class QueueMachine(RuleBasedStateMachine):
    """Rules are what clients, workers and accidents do; after each, server and model agree."""

    socket: ClassVar[str]
    steps: ClassVar[int] = 0  #: taken so far, over all examples

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.new_event_loop()
        self.redis = self._do(self._connect())
        self.broker = Broker(self.redis, result_expires=600, lease=600)
        self.jobs: dict[str, Model] = {}
        self.keyed: dict[str, tuple[str, str]] = {}  #: idempotency key -> body, job

    async def _connect(self) -> ArqRedis:
        redis = ArqRedis.from_url(
            f"unix://{self.socket}", connection_class=UnixDomainSocketConnection
        )
        redis.job_serializer, redis.job_deserializer = serialize, deserialize
        await redis.flushall()
        return redis

    def _do(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self._loop.run_until_complete(coroutine)

    def _pick(self, number: int, *states: State) -> str | None:
        """A job in one of the states, or any."""
        found = [i for i, m in self.jobs.items() if not states or m.state in states]
        return found[number % len(found)] if found else None

    def _pick_attempt(self, number: int) -> ClaimedJob | None:
        attempts = [job for model in self.jobs.values() for job in model.attempts]
        return attempts[number % len(attempts)] if attempts else None

    # ---- clients ---------------------------------------------------------------------------

    @rule(
        task=st.sampled_from(TASKS),
        key=st.sampled_from(["", "", *LIMITS]),
        user=st.sampled_from(USERS + NOBODIES),
    )
    def create(self, task: str, key: str, user: str) -> None:
        job_id = f"j{len(self.jobs)}"
        places = limited(LIMITS[key], key) if key else None
        assert self._do(self.broker.create(new_job(job_id, task, concurrency=places, owner=user)))
        self.jobs[job_id] = Model(task, key, user)

    @rule(
        task=st.sampled_from(TASKS),
        key=st.sampled_from(["i1", "i2"]),
        body=st.sampled_from(["b1", "b1", "b2"]),
    )
    def create_with_an_idempotency_key(self, task: str, key: str, body: str) -> None:
        job_id = f"j{len(self.jobs)}"
        made_body, made_id = self.keyed.get(key, (body, job_id))
        creating = self.broker.create(new_job(job_id, task, idempotency=Idempotency(key, body)))
        if made_body != body:
            with pytest.raises(KeyReusedError):
                self._do(creating)
            return
        view = self._do(creating)
        if made_id == job_id:
            self.jobs[job_id], self.keyed[key] = Model(task, "", "ann"), (body, job_id)
        assert (view.id, view.state) == (made_id, self.jobs[made_id].state)

    @rule(task=st.sampled_from(TASKS))
    def enqueue_by_arq(self, task: str) -> None:
        job_id = f"j{len(self.jobs)}"
        self._do(enqueue_by_arq(self.redis, job_id, task, a=1))
        self.jobs[job_id] = Model(task, "")

    @precondition(lambda self: self.jobs)
    @rule(number=st.integers(0, 99))
    def create_again(self, number: int) -> None:
        job_id = self._pick(number)
        assert self._do(self.broker.create(new_job(job_id, "a"))) is None

    @precondition(lambda self: self.jobs)
    @rule(number=st.integers(0, 99))
    def revoke(self, number: int) -> None:
        job_id = self._pick(number)
        model = self.jobs[job_id]
        revocation = self._do(self.broker.revoke(job_id))
        if not model.is_final:
            model.end(State.REVOKED)
        assert revocation.view.state is model.state
        assert revocation.accepted is (model.state is State.REVOKED)

    @rule()
    def revoke_unknown(self) -> None:
        assert not self._do(self.broker.revoke("nobody")).view.known

    @precondition(lambda self: any(not m.is_final for m in self.jobs.values()))
    @rule(number=st.integers(0, 99))
    def abort_by_arq(self, number: int) -> None:
        job_id = self._pick(number, State.PENDING, State.STARTED, State.RETRY)
        queue = keys.queue(self.jobs[job_id].task)
        self._do(self.redis.zadd(queue, {job_id: 1}))
        self._do(self.redis.zadd(keys.ABORT, {job_id: 4e12}))
        self.jobs[job_id].aborted = True

    @precondition(lambda self: self.jobs)
    @rule(number=st.integers(0, 99), notify=st.sampled_from(["", "g1", "g2"]))
    def read(self, number: int, notify: str) -> None:
        job_id = self._pick(number)
        view = self._do(self.broker.read(job_id, notify))
        assert (view.state, view.known) == (self.jobs[job_id].state, True)
        assert view.is_final == self.jobs[job_id].is_final

    @precondition(lambda self: self.jobs)
    @rule(number=st.integers(0, 99))
    def replay(self, number: int) -> None:
        letter_id, job_id = self._pick(number, State.FAILURE), f"j{len(self.jobs)}"
        if letter_id is None:
            return
        model = self.jobs[letter_id]
        view = self._do(self.broker.replay(letter_id, job_id))
        assert (view is not None) == model.dead
        if model.dead:
            model.dead = False
            self.jobs[job_id] = Model(model.task, model.key, model.user)

    # ---- workers ---------------------------------------------------------------------------

    @rule(
        worker=st.sampled_from(WORKERS),
        wanted=st.integers(1, 6),
        tasks=st.sampled_from([("a",), ("b",), TASKS]),
    )
    def claim(self, worker: str, wanted: int, tasks: tuple[str, ...]) -> None:
        claim = self._do(self.broker.claim(worker, wanted, tasks))
        assert len(claim.jobs) <= wanted
        assert len({job.id for job in claim.jobs}) == len(claim.jobs)
        for job in claim.jobs:
            self._started(job, worker)
        for buried in claim.buried:
            self._buried(buried.id, buried.state)
        self._parked(tasks)
        if len(claim.jobs) < wanted:
            for model in self.jobs.values():
                free = model.state is State.PENDING and not model.key and model.task in tasks
                assert not free, "a job that may run was left behind"

    def _started(self, job: ClaimedJob, worker: str) -> None:
        model = self.jobs[job.id]
        assert (job.task, job.concurrency_key) == (model.task, model.key)
        assert job.attempt == len(model.attempts) + 1
        assert f":{worker}:" in job.token
        assert not model.aborted
        self._crash_if_lapsed(model)
        assert model.crashes < CRASH_LIMIT
        model.owner, model.state = job, State.STARTED

    def _buried(self, job_id: str, state: State) -> None:
        model = self.jobs[job_id]
        if state is State.REVOKED:
            assert model.aborted
        else:
            self._crash_if_lapsed(model)
            assert model.crashes == CRASH_LIMIT
            model.dead = True
        model.end(state)

    def _parked(self, tasks: tuple[str, ...]) -> None:
        """Jobs that a claim found to be without a place."""
        for job_id, model in self.jobs.items():
            if model.key and not model.is_final and model.task in tasks:
                state = self._do(self.broker.read(job_id)).state
                if state is not model.state:
                    assert state is State.RETRY
                    assert model.state is State.PENDING or model.placeless
                    self._crash_if_lapsed(model)
                    model.state = state

    def _crash_if_lapsed(self, model: Model) -> None:
        if model.state is State.STARTED:
            assert model.lapsed
            model.crashes += 1
            model.retire()

    @precondition(lambda self: any(m.attempts for m in self.jobs.values()))
    @rule(number=st.integers(0, 99))
    def renew(self, number: int) -> None:
        job = self._pick_attempt(number)
        model = self.jobs[job.id]
        if model.placeless and model.owner is job:  # its worker is dead: it does not speak
            return
        [lease] = self._do(self.broker.renew([job], 3600))
        if model.is_final:
            assert lease is Lease.ABORT
        elif model.owner is not job:
            assert lease is Lease.LOST
        elif model.aborted:
            assert lease is Lease.ABORT
            model.end(State.REVOKED)
        else:
            assert lease is Lease.OK
            model.lapsed = False

    @precondition(lambda self: any(m.attempts for m in self.jobs.values()))
    @rule(number=st.integers(0, 99), state=st.sampled_from(sorted(FINAL_STATES)))
    def finish(self, number: int, state: State) -> None:
        job = self._pick_attempt(number)
        model = self.jobs[job.id]
        result = b'{"attempt":%d}' % job.attempt
        verdict = self._do(self.broker.finish(job, state, result))
        if model.is_final:
            assert verdict is Verdict.DUPLICATE
        elif model.owner is not job:
            assert verdict is Verdict.FENCED
        elif model.aborted:
            assert verdict is Verdict.REVOKED
            model.end(State.REVOKED)
        else:
            assert verdict is Verdict.OK
            model.end(state)
            assert self._do(self.broker.read(job.id)).result == result

    @precondition(lambda self: any(m.attempts for m in self.jobs.values()))
    @rule(number=st.integers(0, 99), crash=st.booleans(), delay=st.sampled_from([0.0, 60.0]))
    def release(self, number: int, crash: bool, delay: float) -> None:
        job = self._pick_attempt(number)
        model = self.jobs[job.id]
        verdict = self._do(
            self.broker.release(job, delay=delay, crash="crashed" if crash else None)
        )
        if model.is_final:
            assert verdict is Verdict.DUPLICATE
        elif model.owner is not job:
            assert verdict is Verdict.FENCED
        else:
            model.crashes += crash
            dead = crash and model.crashes >= CRASH_LIMIT
            assert verdict is (Verdict.DEAD if dead else Verdict.OK)
            model.end(State.FAILURE if dead else State.RETRY)
            model.dead = dead

    @rule(worker=st.sampled_from(WORKERS))
    def restart(self, worker: str) -> None:
        """A worker dies with all its jobs and comes back."""
        lost = [
            m for m in self.jobs.values()
            if m.owner is not None and f":{worker}:" in m.owner.token
        ]  # fmt: skip
        recovered = self._do(self.broker.recover(worker, TASKS))
        assert recovered <= len(lost)
        for model in lost:
            model.lapsed = True

    # ---- accidents -------------------------------------------------------------------------

    @precondition(lambda self: any(m.owner for m in self.jobs.values()))
    @rule(number=st.integers(0, 99), dead=st.booleans())
    def lease_runs_out(self, number: int, dead: bool) -> None:
        job_id = self._pick(number, State.STARTED)
        model = self.jobs[job_id]
        self._do(self.redis.delete(keys.IN_PROGRESS + job_id))
        self._do(self.redis.zadd(keys.queue(model.task), {job_id: 1}))
        model.lapsed = True
        if dead and model.key:
            holders = keys.HOLDERS + f"{model.task}:{model.key}"
            self._do(self.redis.zadd(holders, {job_id: 1}, xx=True))
            model.placeless = True

    @precondition(lambda self: any(m.state is State.RETRY for m in self.jobs.values()))
    @rule(number=st.integers(0, 99))
    def time_comes(self, number: int) -> None:
        job_id = self._pick(number, State.RETRY)
        queue = keys.queue(self.jobs[job_id].task)
        assert self._do(self.redis.zadd(queue, {job_id: 1}, xx=True)) is not None

    @rule()
    def scripts_are_forgotten(self) -> None:
        self._do(self.redis.script_flush())

    # ---- what always holds -----------------------------------------------------------------

    @invariant()
    def a_step_was_taken(self) -> None:
        QueueMachine.steps += 1

    @invariant()
    def results_never_change(self) -> None:
        if not self.jobs:
            return
        stored = self._do(self.redis.mget([keys.RESULT + job_id for job_id in self.jobs]))
        for result, model in zip(stored, self.jobs.values(), strict=True):
            assert (result is not None) == model.is_final, model
            model.stored = model.stored or result
            assert model.stored == result

    @invariant()
    def an_open_job_is_in_its_queue(self) -> None:
        for task in TASKS:
            queued = self._do(self.redis.zrange(keys.queue(task), 0, -1))
            unfinished = {i for i, m in self.jobs.items() if m.task == task and not m.is_final}
            assert {job_id.decode() for job_id in queued} == unfinished

    @invariant()
    def the_dead_and_nobody_else_have_letters(self) -> None:
        letters = self._do(self.broker.dead_letters(1000)).letters
        assert {letter.id for letter in letters} == {i for i, m in self.jobs.items() if m.dead}

    @invariant()
    def an_idempotency_key_lasts_as_long_as_its_job(self) -> None:
        for key, (_, job_id) in self.keyed.items():
            name = keys.RESULT if self.jobs[job_id].is_final else keys.META
            key_ms, job_ms = self._do(self._lifetimes(keys.IDEMPOTENCY + key, name + job_id))
            assert key_ms == job_ms

    async def _lifetimes(self, *names: str) -> list[int]:
        async with self.redis.pipeline(transaction=True) as pipeline:
            for name in names:
                pipeline.execute_command("PEXPIRETIME", name)
            return list(await pipeline.execute())

    @invariant()
    def counters_are_right(self) -> None:
        totals = self._do(self.broker.statistics(TASKS)).totals
        expected = Counter(
            f"{m.task}:{m.state}" for m in self.jobs.values() if m.state is not State.PENDING
        )
        assert {k: v for k, v in totals.items() if v} == dict(expected)

    @invariant()
    def each_owner_has_counters_of_his_own(self) -> None:
        user = USERS[len(self.jobs) % len(USERS)]  # both come up, one a step is quicker
        his = [model for model in self.jobs.values() if model.user == user]
        expected = Counter(f"{model.task}:{model.state}" for model in his)
        # Read before statistics, which would repair them.
        kept = self._do(self.redis.hgetall(keys.TOTALS + owners.OWNED + user))
        assert {k.decode(): int(v) for k, v in kept.items() if v != b"0"} == dict(expected)
        statistics = self._do(self.broker.statistics(TASKS, owner=user))
        assert {k: v for k, v in statistics.totals.items() if v} == dict(expected)
        waiting = Counter(m.task for m in his if m.state in (State.PENDING, State.RETRY))
        assert statistics.waiting == {task: waiting[task] for task in TASKS}

    @invariant()
    def no_key_has_more_holders_than_places(self) -> None:
        for task in TASKS:
            for key, limit in LIMITS.items():
                holders = self._do(self.redis.zcount(keys.HOLDERS + f"{task}:{key}", 2, "+inf"))
                assert holders <= limit
                owners = [
                    m for m in self.jobs.values()
                    if (m.task, m.key) == (task, key) and m.owner and not m.placeless
                ]  # fmt: skip
                assert len(owners) <= limit

    # ---- the end ---------------------------------------------------------------------------

    def teardown(self) -> None:
        try:
            self._drain()
            self.results_never_change()
            self.counters_are_right()
            self.each_owner_has_counters_of_his_own()
            self._nobody_else_has_counters()
            self._do(assert_nothing_left(self.redis))
        finally:
            self._do(self.redis.aclose(close_connection_pool=True))
            self._loop.close()

    def _nobody_else_has_counters(self) -> None:
        names = self._do(self.redis.keys(f"*{owners.OWNED}*"))
        assert {name.decode().partition(owners.OWNED)[2] for name in names} == {
            model.user for model in self.jobs.values() if model.user not in NOBODIES
        }

    def _drain(self) -> None:
        """Everybody says a last word, then healthy workers run what is left."""
        for model in self.jobs.values():
            for job in model.former:
                self._do(self.broker.finish(job, State.SUCCESS, b"{}"))
        for _ in range(4 * len(self.jobs) + 1):
            for job_id, model in self.jobs.items():
                if model.state is State.RETRY:
                    self._do(self.redis.zadd(keys.queue(model.task), {job_id: 1}, xx=True))
            self.claim("w1", 6, TASKS)
            for model in self.jobs.values():
                if model.owner is not None:
                    job = model.owner
                    self._do(self.broker.finish(job, State.SUCCESS, b"{}"))
                    model.end(State.REVOKED if model.aborted else State.SUCCESS)
            if all(model.is_final for model in self.jobs.values()):
                return
        raise AssertionError([m for m in self.jobs.values() if not m.is_final])


@pytest.mark.timeout(120)
def test_the_scripts_agree_with_the_model(shared_server: QueueServer) -> None:
    QueueMachine.socket = str(shared_server.socket)
    limits = hypothesis_settings(max_examples=EXAMPLES, stateful_step_count=50)
    run_machine(QueueMachine, settings=limits)
    assert QueueMachine.steps >= 6_000, QueueMachine.steps
