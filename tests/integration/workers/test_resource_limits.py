"""What a task may take up, and what becomes of one that takes more."""

from collections.abc import Callable

import orjson
import pytest

from tests.integration.workers.conftest import MakePool, run
from tests.queue_server import QueueServer
from tests.queue_state import new_job
from tests.waiting import eventually
from tests.worker_process import WorkerProcess
from workers.outcome import Ending
from workers.queue.broker import Broker
from workers.queue.records import State

MIB = 2**20


async def test_more_memory_than_allowed_is_a_memory_error_and_the_process_goes_on(
    make_pool: MakePool,
) -> None:
    pool = await make_pool(limits={"memory_bytes": 64 * MIB})
    [child] = pool.children

    outcome = await run(pool, "hostile", how="take_memory", text=str(256 * MIB))
    assert outcome.ending is Ending.FAILURE
    assert "MemoryError" in outcome.text

    outcome = await run(pool, "hostile", how="take_memory", text=str(32 * MIB))
    assert orjson.loads(outcome.result) == {"answer": str(32 * MIB)}
    assert pool.children == [child]


async def test_cpu_time_is_counted_for_each_job_anew(make_pool: MakePool) -> None:
    pool = await make_pool(limits={"cpu_seconds": 1})
    [child] = pool.children
    for _ in range(2):
        outcome = await run(pool, "hostile", how="burn")
        assert outcome.ending is Ending.FAILURE
        assert "CpuTimeExceeded: the task used more than TASK_CPU_SECONDS=1" in outcome.text
    outcome = await run(pool, "hostile", how="sleep_and_return", text="slept")
    assert outcome.ending is Ending.SUCCESS
    assert pool.children == [child]


async def test_a_task_that_catches_the_exception_gets_another(make_pool: MakePool) -> None:
    pool = await make_pool(limits={"cpu_seconds": 1})
    outcome = await run(pool, "hostile", how="burn_and_catch")
    assert orjson.loads(outcome.result) == {"answer": "CpuTimeExceeded CpuTimeExceeded"}


async def test_too_many_open_files_are_refused(make_pool: MakePool) -> None:
    pool = await make_pool(limits={"open_files": 64})
    outcome = await run(pool, "hostile", how="open_files", text="64")
    assert outcome.ending is Ending.FAILURE
    assert "Too many open files" in outcome.text
    assert (await run(pool, "hostile", how="open_files", text="32")).ending is Ending.SUCCESS


@pytest.mark.parametrize("limits", [{}, {"memory_bytes": 0, "cpu_seconds": 0, "open_files": 0}])
async def test_without_limits_there_are_none(make_pool: MakePool, limits: dict[str, int]) -> None:
    pool = await make_pool(limits=limits)
    outcome = await run(pool, "hostile", how="take_memory", text=str(256 * MIB))
    assert outcome.ending is Ending.SUCCESS


async def test_a_node_sets_them(
    shared_server: QueueServer, broker: Broker, make_worker: Callable[..., WorkerProcess]
) -> None:
    await make_worker(
        shared_server, TASK_MEMORY_BYTES=64 * MIB, TASK_CPU_SECONDS=600, TASK_OPEN_FILES=64
    ).ready()
    params = orjson.dumps({"how": "take_memory", "text": str(256 * MIB)})
    await broker.create(new_job("greedy", "hostile", params=params))

    async def ended() -> bool:
        return (await broker.read("greedy")).state is State.FAILURE

    await eventually(ended)
    view = await broker.read("greedy")
    assert b"MemoryError" in (view.result or b"")
    assert view.tries == 1
