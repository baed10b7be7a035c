"""Whole workers: whatever happens to them or to their queue server, every job ends once."""

import asyncio
import itertools
import os
import random
import re
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import orjson
import pytest
from arq.connections import ArqRedis

from tests.held_jobs import let_go
from tests.queue_server import QueueServer
from tests.queue_state import assert_nothing_left, limited, meta_of, new_job, spoil_meta
from tests.waiting import eventually, is_alive
from tests.worker_process import WorkerProcess
from workers.queue import keys
from workers.queue.broker import Broker
from workers.queue.errors import QueueFullError
from workers.queue.records import JobView, State
from workers.worker import Worker

LEASE = 3.0  # seconds, as the workers here are started
MakeWorker = Callable[..., WorkerProcess]


class Held:
    """A job of the task `hold`, and the record that its attempts keep outside the queue."""

    def __init__(self, folder: Path, job_id: str) -> None:
        self.id = job_id
        self.record = folder / job_id

    @property
    def params(self) -> bytes:
        return orjson.dumps({"record": str(self.record)})

    @property
    def attempts(self) -> list[int]:
        """The process ids of all attempts that began."""
        return [int(pid) for pid in self.record.read_text().split()] if self.record.exists() else []

    async def begun(self, attempts: int = 1, within: float = 10.0) -> None:
        """Wait until so many attempts have begun."""
        await eventually(lambda: len(self.attempts) >= attempts, within)

    def let_go(self) -> None:
        """Have all attempts return, also later ones."""
        let_go(self.record)


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Callable[[Broker, str], Awaitable[Held]]]:
    """Creates jobs that run until they are let go."""
    made: list[Held] = []

    async def create(broker: Broker, job_id: str, **fields: object) -> Held:
        held = Held(tmp_path, job_id)
        made.append(held)
        assert await broker.create(new_job(job_id, "hold", params=held.params, **fields))
        return held

    yield create
    for held in made:
        held.let_go()


async def ended(broker: Broker, job_id: str, within: float = 10.0) -> JobView:
    """The job once it has ended."""

    async def final() -> JobView | None:
        view = await broker.read(job_id)
        return view if view.is_final else None

    return await eventually(final, within)


async def run(broker: Broker, task: str, job_id: str = "", **params: object) -> JobView:
    """Create a job and wait for its end."""
    job = new_job(job_id, task, params=orjson.dumps(params))
    assert await broker.create(job) is not None
    return await ended(broker, job.id)


async def test_runs_jobs_and_leaves_nothing_behind(
    broker: Broker, redis: ArqRedis, shared_server: QueueServer, make_worker: MakeWorker
) -> None:
    worker = await make_worker(shared_server).ready()
    jobs = [new_job(f"{n}", "echo", params=b'{"value":%d}' % n) for n in range(300)]
    await asyncio.gather(*map(broker.create, jobs))

    views = [await ended(broker, job.id) for job in jobs]

    assert [orjson.loads(view.result) for view in views] == [{"value": n} for n in range(300)]
    assert {(view.state, view.tries, view.worker) for view in views} == {
        (State.SUCCESS, 1, worker.name)
    }
    worker.send(signal.SIGTERM)
    assert await worker.ended() == 0
    await assert_nothing_left(redis)


async def test_an_idle_worker_starts_a_job_at_once(
    broker: Broker, shared_server: QueueServer, make_worker: MakeWorker
) -> None:
    await make_worker(shared_server).ready()
    await run(broker, "echo", value=0)

    began = time.monotonic()
    for n in range(10):
        await run(broker, "echo", value=n)
    assert time.monotonic() - began < 2.0, "ten polls would take ten seconds"


async def test_a_worker_that_is_woken_up_does_not_interrupt_its_tasks(
    broker: Broker, shared_server: QueueServer, make_worker: MakeWorker,
    hold: Callable[[Broker, str], Awaitable[Held]],
) -> None:  # fmt: skip
    worker = await make_worker(shared_server).ready()
    held = await hold(broker, "held")
    await held.begun()

    assert os.sched_getscheduler(worker.pid) == os.SCHED_BATCH
    assert os.sched_getscheduler(held.attempts[0]) == os.SCHED_OTHER


@pytest.mark.parametrize(
    ("how", "state", "says"),
    [
        ("raise_value_error", State.FAILURE, "ValueError: hello"),
        ("return_wrong_type", State.FAILURE, "answer: "),
        ("exit_with_0", State.FAILURE, "exited with status 0"),
        ("kill_itself", State.FAILURE, "signal 9"),
        ("return_model", State.SUCCESS, "hello"),
    ],
)
async def test_every_ending_becomes_a_state(
    broker: Broker,
    redis: ArqRedis,
    shared_server: QueueServer,
    make_worker: MakeWorker,
    how: str,
    state: State,
    says: str,
) -> None:
    await make_worker(shared_server).ready()

    view = await run(broker, "hostile", how=how, text="hello")

    assert view.state is state
    assert says in orjson.loads(view.result) if state is State.FAILURE else says in str(view.result)
    crashes = how in ("exit_with_0", "kill_itself")
    assert view.tries == (3 if crashes else 1)
    assert (await run(broker, "echo", value=1)).state is State.SUCCESS
    await assert_nothing_left_but_presence(redis)


async def test_the_time_limit_is_a_failure_and_takes_descendants_along(
    broker: Broker, shared_server: QueueServer, make_worker: MakeWorker, tmp_path: Path
) -> None:
    await make_worker(shared_server, SOFT_TIME_LIMIT=0.3, TIME_LIMIT=1).ready()

    view = await run(broker, "hostile", how="block_everything", text=str(tmp_path / "pids"))

    assert view.state is State.FAILURE
    assert "TIME_LIMIT" in view.result.decode()
    pids = _pids(tmp_path / "pids")
    await eventually(lambda: not any(map(is_alive, pids)), within=1)
    assert view.tries == 1


async def test_a_stored_job_that_is_garbage_ends_and_the_worker_goes_on(
    broker: Broker, redis: ArqRedis, shared_server: QueueServer, make_worker: MakeWorker
) -> None:
    await make_worker(shared_server).ready()
    await redis.set(keys.JOB + "odd", b"\x80\x04K\x01.")
    await redis.zadd(keys.queue("echo"), {"odd": 1})

    view = await ended(broker, "odd")

    assert view.state is State.FAILURE
    assert "not arq's JSON" in view.result.decode()
    assert (await run(broker, "echo", value=1)).state is State.SUCCESS


async def test_a_restarted_node_takes_its_lost_jobs_back_at_once(
    broker: Broker, shared_server: QueueServer, make_worker: MakeWorker, hold: Callable
) -> None:
    worker = await make_worker(shared_server, LEASE_SECONDS=60).ready()
    job = await hold(broker, "job")
    await job.begun()

    worker.kill()
    await worker.ready()

    await job.begun(attempts=2, within=5)
    job.let_go()
    view = await ended(broker, "job")
    assert (view.state, view.tries) == (State.SUCCESS, 2)
    assert orjson.loads(view.result)["pid"] == job.attempts[1]


async def test_another_node_takes_over_when_the_lease_has_ended(
    broker: Broker, redis: ArqRedis, shared_server: QueueServer, make_worker: MakeWorker,
    hold: Callable,
) -> None:  # fmt: skip
    lost = await make_worker(shared_server, "lost").ready()
    job = await hold(broker, "job")
    await job.begun()
    heir = await make_worker(shared_server, "heir").ready()

    lost.kill()

    await job.begun(attempts=2, within=LEASE + 2)
    job.let_go()
    view = await ended(broker, "job")
    assert (view.state, view.tries, view.worker) == (State.SUCCESS, 2, heir.name)
    heir.send(signal.SIGTERM)
    await heir.ended()
    await redis.delete(keys.worker(lost.name), keys.WORKERS)
    await assert_nothing_left(redis)


async def test_all_processes_are_gone_when_the_worker_is_killed(
    broker: Broker, shared_server: QueueServer, make_worker: MakeWorker, tmp_path: Path
) -> None:
    worker = await make_worker(shared_server).ready()
    told = tmp_path / "pids"
    await broker.create(
        new_job(
            "job", "hostile", params=orjson.dumps({"how": "block_everything", "text": str(told)})
        )
    )
    await eventually(told.exists)
    all_of_them = worker.descendants()
    assert set(_pids(told)) < set(all_of_them)

    worker.kill()

    await eventually(lambda: not any(map(is_alive, all_of_them)), within=1)


async def test_a_stopping_worker_hands_its_jobs_back_without_a_crash(
    broker: Broker, redis: ArqRedis, shared_server: QueueServer, make_worker: MakeWorker,
    hold: Callable,
) -> None:  # fmt: skip
    first = await make_worker(shared_server, "first").ready()
    job = await hold(broker, "job")
    await job.begun()

    first.send(signal.SIGTERM)
    assert await first.ended(within=5) == 0

    assert not is_alive(job.attempts[0])
    assert (await broker.read("job")).state is State.RETRY
    assert "crashes" not in await meta_of(redis, "job")
    assert (await broker.statistics([])).workers == {}
    second = await make_worker(shared_server, "second").ready()
    await job.begun(attempts=2)
    job.let_go()
    view = await ended(broker, "job")
    assert (view.state, view.worker) == (State.SUCCESS, second.name)


async def test_a_stopping_worker_keeps_no_job_that_it_was_about_to_take(
    broker: Broker, redis: ArqRedis, shared_server: QueueServer, make_worker: MakeWorker,
) -> None:  # fmt: skip
    worker = await make_worker(shared_server).ready()
    await run(broker, "echo", value=1)
    worker.send(signal.SIGSTOP)
    assert await broker.create(new_job("job", "echo", params=b'{"value": 1}'))
    shared_server.pause()
    try:
        worker.send(signal.SIGCONT)
        await asyncio.sleep(0.3)  # its claim is under way
        worker.send(signal.SIGTERM)
        await eventually(lambda: "worker_stops" in worker.log)
    finally:
        shared_server.resume()

    assert await worker.ended(within=5) == 0
    assert (await broker.read("job")).state in (State.SUCCESS, State.RETRY)
    assert "token" not in await meta_of(redis, "job")


async def test_a_stopping_worker_lets_jobs_end_within_the_grace(
    broker: Broker, shared_server: QueueServer, make_worker: MakeWorker, hold: Callable
) -> None:
    worker = await make_worker(shared_server, GRACE_SECONDS=20).ready()
    job = await hold(broker, "job")
    await job.begun()
    waiting = [await hold(broker, f"waits-{n}") for n in range(3)]

    worker.send(signal.SIGTERM)
    await eventually(lambda: "worker_stops" in worker.log)
    job.let_go()
    for one in waiting:
        one.let_go()

    assert await worker.ended(within=10) == 0
    view = await broker.read("job")
    assert (view.state, view.tries) == (State.SUCCESS, 1)


async def test_a_worker_that_was_frozen_past_its_lease_cannot_overwrite(
    broker: Broker, shared_server: QueueServer, make_worker: MakeWorker, hold: Callable
) -> None:
    frozen = await make_worker(shared_server, "frozen").ready()
    job = await hold(broker, "job")
    await job.begun()
    heir = await make_worker(shared_server, "heir").ready()

    frozen.send(signal.SIGSTOP)
    await job.begun(attempts=2, within=LEASE + 2)
    job.let_go()
    before = await ended(broker, "job")
    # The frozen worker finds the outcome of its own child waiting, and hands it in.
    await eventually(lambda: not is_alive(job.attempts[0]) or before.is_final)
    frozen.send(signal.SIGCONT)

    await eventually(lambda: re.search(r"job_ended job=job .*verdict=(DUP|FENCED)", frozen.log))
    assert before.worker == heir.name
    assert await broker.read("job") == before


async def test_a_job_outlives_its_queue_server(
    own_server: QueueServer, own_broker: Broker, make_worker: MakeWorker, hold: Callable
) -> None:
    worker = await make_worker(own_server).ready()
    running, ending = await hold(own_broker, "running"), await hold(own_broker, "ending")
    await running.begun()
    await ending.begun()

    own_server.kill()
    ending.let_go()  # its outcome has nowhere to go for a while
    await eventually(lambda: "outcome_waits" in worker.log)
    own_server.start()

    assert (await ended(own_broker, "ending")).tries == 1
    running.let_go()
    view = await ended(own_broker, "running")
    assert (view.state, view.tries) == (State.SUCCESS, 1)
    assert (len(running.attempts), len(ending.attempts)) == (1, 1)
    assert (await run(own_broker, "echo", value=1)).state is State.SUCCESS


async def test_an_outcome_outlives_worker_and_queue_server(
    own_server: QueueServer, own_broker: Broker, make_worker: MakeWorker, hold: Callable
) -> None:
    worker = await make_worker(own_server).ready()
    job = await hold(own_broker, "job")
    await job.begun()

    own_server.kill()
    job.let_go()
    await eventually(lambda: list(worker.files.glob("fasttask/outcomes/*.outcome")))
    worker.kill()
    own_server.start()
    await worker.ready()

    view = await ended(own_broker, "job")
    assert (view.state, view.tries) == (State.SUCCESS, 1)
    assert len(job.attempts) == 1
    assert not list(worker.files.glob("fasttask/outcomes/*"))


async def test_an_outcome_is_taken_by_a_server_at_its_memory_limit(
    own_server: QueueServer, own_broker: Broker, own_redis: ArqRedis, make_worker: MakeWorker,
    hold: Callable,
) -> None:  # fmt: skip
    await make_worker(own_server, LEASE_SECONDS=60).ready()
    job = await hold(own_broker, "job")
    await job.begun()
    await own_redis.config_set("maxmemory", "1mb")
    with pytest.raises(QueueFullError):
        await own_broker.create(new_job())

    job.let_go()

    view = await ended(own_broker, "job")
    assert (view.state, view.tries) == (State.SUCCESS, 1)


async def test_a_worker_waits_for_a_queue_server_that_is_not_there_yet(
    own_server: QueueServer, own_broker: Broker, make_worker: MakeWorker
) -> None:
    own_server.kill()
    worker = make_worker(own_server)
    worker.start()
    await eventually(lambda: "queue_server_away" in worker.log)

    own_server.start()

    assert (await run(own_broker, "echo", value=1)).state is State.SUCCESS


async def test_a_running_job_that_is_revoked_is_killed(
    broker: Broker, redis: ArqRedis, shared_server: QueueServer, make_worker: MakeWorker,
    hold: Callable,
) -> None:  # fmt: skip
    worker = await make_worker(shared_server).ready()
    job, neighbour = await hold(broker, "job"), await hold(broker, "neighbour")
    await job.begun()
    await neighbour.begun()

    assert (await broker.revoke("job")).accepted
    await eventually(lambda: not is_alive(job.attempts[0]), within=2)
    neighbour.let_go()

    assert (await ended(broker, "neighbour")).tries == 1
    assert (await broker.read("job")).state is State.REVOKED
    await eventually(lambda: len(worker.children()) == 2)
    assert (await run(broker, "echo", value=1)).state is State.SUCCESS
    await assert_nothing_left_but_presence(redis)


async def test_a_revoke_whose_message_was_lost_takes_effect_by_the_next_heartbeat(
    broker: Broker, redis: ArqRedis, shared_server: QueueServer, make_worker: MakeWorker,
    hold: Callable,
) -> None:  # fmt: skip
    await make_worker(shared_server).ready()
    job = await hold(broker, "job")
    await job.begun()

    await spoil_meta(redis, "job", worker="somebody@else")
    await broker.revoke("job")
    await eventually(lambda: not is_alive(job.attempts[0]), within=2)


@pytest.mark.parametrize("seed", range(2))
async def test_revokes_at_random_times_never_hit_a_neighbour(
    broker: Broker, redis: ArqRedis, shared_server: QueueServer, make_worker: MakeWorker, seed: int
) -> None:
    dice = random.Random(seed)
    await make_worker(shared_server).ready()
    ids = [f"{n:03}" for n in range(60)]
    revoked = set(dice.sample(ids, 20))
    for job_id in ids:
        await broker.create(new_job(job_id, "echo", params=b'{"value":1}'))
        if job_id in revoked:
            await asyncio.sleep(dice.uniform(0, 0.004))
            if not (await broker.revoke(job_id)).accepted:
                revoked.discard(job_id)

    views = {job_id: await ended(broker, job_id) for job_id in ids}
    assert {i for i, view in views.items() if view.state is State.REVOKED} == revoked
    assert all(views[i].state is State.SUCCESS for i in set(ids) - revoked)
    await assert_nothing_left_but_presence(redis)


async def test_a_worker_takes_only_the_tasks_it_was_given(
    broker: Broker, shared_server: QueueServer, make_worker: MakeWorker, hold: Callable
) -> None:
    only_echo = await make_worker(shared_server, "echoes", ENABLED_TASKS="echo").ready()
    held = await hold(broker, "held")
    assert (await run(broker, "echo", value=1)).worker == only_echo.name
    assert (await broker.read("held")).state is State.PENDING

    all_but_echo = await make_worker(shared_server, "rest", DISABLED_TASKS="echo").ready()
    held.let_go()
    assert (await ended(broker, "held")).worker == all_but_echo.name


async def test_a_child_that_is_killed_from_outside_costs_its_job_one_attempt(
    broker: Broker, shared_server: QueueServer, make_worker: MakeWorker, hold: Callable
) -> None:
    worker = await make_worker(shared_server).ready()
    job, neighbour = await hold(broker, "job"), await hold(broker, "neighbour")
    await job.begun()
    await neighbour.begun()

    os.kill(job.attempts[0], signal.SIGKILL)

    await job.begun(attempts=2, within=2)
    job.let_go()
    neighbour.let_go()
    assert (await ended(broker, "job")).tries == 2
    assert (await ended(broker, "neighbour")).tries == 1
    await eventually(lambda: len(worker.children()) == 2, within=3)


async def test_a_concurrency_key_holds_over_nodes_and_deaths(
    broker: Broker, shared_server: QueueServer, make_worker: MakeWorker, hold: Callable
) -> None:
    workers = [await make_worker(shared_server, node).ready() for node in ("one", "two")]
    jobs = [await hold(broker, f"job-{n}", concurrency=limited(1)) for n in range(3)]
    await jobs[0].begun()
    holder = (await broker.read("job-0")).worker
    by_name = {worker.name: worker for worker in workers}

    by_name.pop(str(holder)).kill()
    [survivor] = by_name

    # Whoever comes next, comes after the dead one's lease and alone.
    await eventually(lambda: sum(len(job.attempts) for job in jobs) == 2, within=LEASE + 3)
    for job in jobs:
        job.let_go()
    views = [await ended(broker, job.id) for job in jobs]
    assert {(view.state, view.worker) for view in views} == {(State.SUCCESS, survivor)}
    spans = sorted((view.started_ms or 0, view.finished_ms or 0) for view in views)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans)), spans


async def test_what_a_task_sees_of_its_environment(
    broker: Broker, shared_server: QueueServer, make_worker: MakeWorker, tmp_path: Path
) -> None:
    await make_worker(shared_server, TASK_QUEUE_PASSWD="secret", MY_OWN="mine").ready()

    seen = {}
    for name in ("TASK_QUEUE_PASSWD", "TASK_QUEUE_URL", "MY_OWN", "FILES_DIR"):
        view = await run(broker, "hostile", how="tell_environment", text=name)
        seen[name] = orjson.loads(view.result)["answer"]
    assert seen == {
        "TASK_QUEUE_PASSWD": "not there",
        "TASK_QUEUE_URL": "not there",
        "MY_OWN": "mine",
        "FILES_DIR": str(tmp_path / "one" / "files"),
    }


async def test_what_a_task_prints_is_in_the_workers_output(
    broker: Broker, shared_server: QueueServer, make_worker: MakeWorker
) -> None:
    worker = await make_worker(shared_server).ready()

    await run(broker, "hostile", how="say", text="hello")
    for line in ("printed: hello", "written: hello", "subprocess: hello"):
        assert f"{line}\n" in worker.log


async def test_a_worker_tells_what_it_does(
    broker: Broker, shared_server: QueueServer, make_worker: MakeWorker, hold: Callable
) -> None:
    worker = await make_worker(shared_server).ready()
    job = await hold(broker, "job")
    await job.begun()

    async def presence() -> dict | None:
        said = (await broker.statistics(["hold"])).workers.get(worker.name)
        return said if said and said["active_tasks"] else None

    said = await eventually(presence)
    assert (said["concurrency"], said["tasks"]) == (2, ["echo", "hold", "hostile"])
    assert [(a["id"], a["task"]) for a in said["active_tasks"]] == [("job", "hold")]
    assert said["max_rss"] > 10_000
    assert said["pid"] == worker.pid


@pytest.mark.parametrize(
    ("source", "line", "says"),
    [
        ("x = 1\ndef broken(:\n", 2, "syntax error"),
        ("import not_there_at_all\ndef broken(): ...\n", 1, "ModuleNotFoundError"),
    ],
)
async def test_a_broken_task_file_stops_the_start_with_one_clear_line(
    shared_server: QueueServer, make_worker: MakeWorker, tmp_path: Path,
    source: str, line: int, says: str,
) -> None:  # fmt: skip
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "broken.py").write_text(source)
    worker = make_worker(shared_server, TASKS_DIR=tmp_path / "tasks")
    worker.start()

    assert await worker.ended(within=10) == 1

    complaints = [text for text in worker.log.splitlines() if "ERROR" in text]
    assert len(complaints) == 1, worker.log
    assert f"broken.py:{line}: " in complaints[0]
    assert says in complaints[0]
    assert "Traceback" not in worker.log


async def test_wrong_settings_stop_the_start_with_all_mistakes(
    shared_server: QueueServer, make_worker: MakeWorker
) -> None:
    worker = make_worker(shared_server, TIME_LIMIT=1, SOFT_TIME_LIMIT=2, WORKER_CONCURRENCY=0)
    worker.start()

    assert await worker.ended() == 1
    complaints = [text for text in worker.log.splitlines() if "cannot_start" in text]
    assert len(complaints) == 2
    assert "TIME_LIMIT=1" in worker.log
    assert "WORKER_CONCURRENCY=0" in worker.log
    assert "Traceback" not in worker.log


async def test_a_second_worker_on_the_same_files_is_refused(
    shared_server: QueueServer, make_worker: MakeWorker
) -> None:
    await make_worker(shared_server, "same").ready()
    second = make_worker(shared_server, "same")
    second.start()

    assert await second.ended() == 1
    assert "another worker runs on FILES_DIR" in second.log


@pytest.fixture
async def idle_tasks(
    shared_server: QueueServer, make_settings: Callable
) -> AsyncIterator[Callable[[], int]]:
    """How many asyncio tasks a worker in this process has."""
    settings = make_settings(task_queue_url=shared_server.url, worker_concurrency=1)
    worker = Worker(settings)
    others = asyncio.all_tasks()
    running = asyncio.create_task(worker.main())
    yield lambda: len(asyncio.all_tasks() - others)
    worker.handle_sig(signal.SIGTERM)
    await running
    left = asyncio.all_tasks() - others - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    await worker.pool.aclose(close_connection_pool=True)


async def test_an_idle_worker_does_not_grow(
    idle_tasks: Callable[[], int], monkeypatch: pytest.MonkeyPatch, broker: Broker
) -> None:
    monkeypatch.setattr("workers.worker.POLL_SECONDS", 0.02)

    async def present() -> bool:
        return bool((await broker.statistics([])).workers)

    await eventually(present)
    await asyncio.sleep(0.3)
    before = idle_tasks()
    await asyncio.sleep(1.0)  # fifty polls
    assert idle_tasks() <= before + 3


async def assert_nothing_left_but_presence(redis: ArqRedis) -> None:
    """As assert_nothing_left, with workers still there."""
    for name in await redis.zrange(keys.WORKERS, 0, -1):
        await redis.delete(keys.WORKER + name.decode())
    await redis.delete(keys.WORKERS)
    await assert_nothing_left(redis)


def _pids(path: Path) -> list[int]:
    return [int(pid) for pid in path.read_text().split()]
