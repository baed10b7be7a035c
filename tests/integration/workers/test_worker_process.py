"""Whole workers: what becomes of the jobs that they run."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import orjson
import pytest
from arq.connections import ArqRedis

from tests.held_jobs import Held, pids_in
from tests.integration.workers.running import (
    MakeWorker,
    assert_nothing_left_but_presence,
    ended,
    run,
)
from tests.queue_server import QueueServer
from tests.queue_state import assert_nothing_left, new_job
from tests.waiting import eventually, is_alive
from workers.queue import keys
from workers.queue.broker import Broker
from workers.queue.records import State
from workers.worker import Worker


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
    pids = pids_in(tmp_path / "pids")
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
