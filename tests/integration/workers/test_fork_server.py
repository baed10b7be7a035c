"""The fork server: it makes the children, and ends with them all that tasks have started."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.held_jobs import let_go
from tests.integration.workers.conftest import MakePool, run
from tests.queue_server import QueueServer
from tests.queue_state import new_job
from tests.waiting import eventually, is_alive, wait_until
from tests.worker_process import WorkerProcess, parents
from workers.fork_client import ForkClient, ForkServerError
from workers.outcome import Ending
from workers.queue.broker import Broker
from workers.slots import Slot, SlotPool


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


async def _leave_descendants(pool: SlotPool, told: Path) -> list[int]:
    """Have a task leave some behind; the process ids of its child and of them."""
    await run(pool, "hostile", how="leave_descendants", text=str(told))
    return [int(pid) for pid in _read(told).split()]


async def _has_ended(broker: Broker, job_id: str) -> bool:
    return (await broker.read(job_id)).is_final


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text() if is_alive(pid) else ""


async def test_a_killed_fork_server_is_replaced_and_its_jobs_crash(
    make_pool: MakePool, tmp_path: Path
) -> None:
    pool = await make_pool(2)
    told = tmp_path / "pids"
    running = asyncio.create_task(run(pool, "hostile", how="block_everything", text=str(told)))
    await eventually(lambda: _read(told))
    children = pool.children
    *descendants, estranged, orphan = (int(pid) for pid in _read(told).split())
    processes = {*children, *descendants}
    assert len(processes) == 3, "two children and a descendant"

    os.kill(parents()[children[0]], signal.SIGKILL)

    outcome = await running
    assert outcome.ending is Ending.CRASHED
    assert "fork server" in outcome.text
    await eventually(lambda: not any(map(is_alive, processes)), within=1)
    for pid in (estranged, orphan):  # what has left its process group is out of reach then
        os.kill(pid, signal.SIGKILL)
    await eventually(lambda: pool.free == 2, within=5)
    outcomes = await asyncio.gather(*(run(pool, "echo", value=n) for n in range(2)))
    assert [outcome.ending for outcome in outcomes] == [Ending.SUCCESS] * 2


async def test_a_fork_server_that_dies_as_soon_as_it_is_ready_costs_no_slot(
    make_forks: Callable[..., ForkClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    forks = make_forks()
    pool = SlotPool([Slot(forks, 60.0, 1000) for _ in range(2)])
    await pool.start()
    assert forks._process is not None
    first, understand = forks._process, forks._understand

    def understand_and_lose(message: dict[str, Any]) -> None:
        """Its word and its end are read in one go."""
        understand(message)
        if message == {"ready": True}:
            monkeypatch.setattr(forks, "_understand", understand)
            assert forks._process is not None and forks._process is not first
            os.kill(forks._process.pid, signal.SIGKILL)
            wait_until(lambda: not is_alive(forks._process.pid))

    monkeypatch.setattr(forks, "_understand", understand_and_lose)
    os.kill(first.pid, signal.SIGKILL)

    await eventually(lambda: forks._understand == understand and pool.free == 2)
    pool.close()


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root, setpriv")
async def test_a_foreign_process_that_a_task_left_harms_nobody(
    make_worker: Callable[..., WorkerProcess], own_server: QueueServer, own_broker: Broker,
    tmp_path: Path,
) -> None:  # fmt: skip
    without_power = tmp_path / "python"  # as of somebody who may not end what others run
    drop = "setpriv --bounding-set -kill --inh-caps -kill"
    without_power.write_text(f'#!/bin/sh\nexec {drop} {sys.executable} "$@"\n')
    without_power.chmod(0o755)
    worker = await make_worker(own_server, python=str(without_power)).ready()
    record, told = tmp_path / "record", tmp_path / "pid"
    await own_broker.create(new_job("job", "hold", params=orjson.dumps({"record": str(record)})))
    await eventually(record.exists)

    leave = orjson.dumps({"how": "leave_a_foreign_process", "text": str(told)})
    await own_broker.create(new_job("leaver", "hostile", params=leave))
    pid = int(await eventually(lambda: _read(told)))
    try:
        await eventually(lambda: _has_ended(own_broker, "leaver"))
        let_go(record)
        await eventually(lambda: _has_ended(own_broker, "job"))
        assert len(record.read_text().split()) == 1
        worker.send(signal.SIGTERM)
        await worker.ended()
        assert is_alive(pid)
    finally:
        os.kill(pid, signal.SIGKILL)


async def test_descendants_of_a_child_go_with_it_when_it_is_replaced(
    make_pool: MakePool, tmp_path: Path
) -> None:
    pool = await make_pool(jobs_per_child=1)
    pids = await _leave_descendants(pool, tmp_path / "pids")
    await eventually(lambda: not any(map(is_alive, pids)), within=3)


async def test_descendants_stay_with_a_child_that_goes_on(
    make_pool: MakePool, tmp_path: Path
) -> None:
    pool = await make_pool(size=2)
    pids = await _leave_descendants(pool, tmp_path / "pids")
    [other] = set(pool.children) - set(pids)

    os.kill(other, signal.SIGKILL)
    await eventually(lambda: other not in pool.children)
    assert all(map(is_alive, pids))


async def test_descendants_go_when_the_worker_ends(
    make_forks: Callable[..., ForkClient], tmp_path: Path
) -> None:
    forks = make_forks()
    pool = SlotPool([Slot(forks, 60.0, 1000)])
    await pool.start()
    pids = await _leave_descendants(pool, tmp_path / "pids")
    pool.close()
    forks.close()

    await forks.wait_closed()
    await eventually(lambda: not any(map(is_alive, pids)), within=1)


async def test_closing_ends_all_processes(make_forks: Callable[..., ForkClient]) -> None:
    forks = make_forks()
    children = [await forks.spawn() for _ in range(3)]

    forks.close()
    await forks.wait_closed()

    await eventually(lambda: not any(is_alive(child.pid) for child in children), within=1)
    assert all(child.gone.is_set() for child in children)


async def test_a_closed_pool_starts_nothing_new(make_forks: Callable[..., ForkClient]) -> None:
    forks = make_forks()
    pool = SlotPool([Slot(forks, 60.0, 1000) for _ in range(2)])
    await pool.start()

    pool.close()
    forks.close()
    await forks.wait_closed()

    servers = [pid for pid, parent in parents().items() if parent == os.getpid()]
    assert not [pid for pid in servers if "workers.fork_server" in _command(pid)]


THREADED = """
import threading, time
from pydantic import BaseModel
class Params(BaseModel): pass
class Result(BaseModel):
    alive: bool
beats = []
def beat():
    while True:
        beats.append(1)
        time.sleep(0.01)
thread = threading.Thread(target=beat, daemon=True)
thread.start()
def threaded():
    beats.clear()
    time.sleep(0.1)
    return {"alive": thread.is_alive() and bool(beats)}
"""


async def test_threads_that_a_task_starts_at_import_run_in_the_child(
    make_pool: MakePool, tmp_path: Path
) -> None:
    (tmp_path / "threaded.py").write_text(THREADED)
    pool = await make_pool(2, tasks_dir=tmp_path, tasks=("threaded",))

    for _ in range(3):
        assert (await run(pool, "threaded")).result == b'{"alive":true}'


async def test_a_task_file_that_cannot_be_loaded_is_named(
    make_forks: Callable[..., ForkClient], tmp_path: Path
) -> None:
    (tmp_path / "broken.py").write_text("x = 1\ndef broken(:\n")
    forks = make_forks(tasks_dir=tmp_path, tasks=("broken",))

    with pytest.raises(ForkServerError, match=r"broken\.py:2: syntax error"):
        await forks.start()
