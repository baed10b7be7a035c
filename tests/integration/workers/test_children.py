"""Children: whatever a task does to its process, its job has an outcome and the slot lives on."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from tests.held_jobs import let_go, pids_in
from tests.integration.workers.conftest import MakePool, claimed, run, run_job
from tests.waiting import eventually, is_alive
from workers.child_handle import ChildHandle
from workers.fork_client import ForkClient
from workers.outcome import LONGEST_TEXT, Ending, Outcome, StopReason
from workers.presence import peak_memory_kib
from workers.queue.records import ClaimedJob
from workers.slots import Slot, SlotPool


@pytest.fixture
async def pool(make_pool: MakePool) -> SlotPool:
    """One slot."""
    return await make_pool()


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("raise_value_error", "ValueError: hello"),
        ("raise_unprintable", "Unprintable"),
        ("raise_bottomless", "Bottomless"),
        ("raise_interrupt", "KeyboardInterrupt"),
        ("raise_surrogate", "ValueError"),
        ("raise_out_of_a_class_made_here", "Local: only here"),
        ("exit_politely", "SystemExit: goodbye"),
        ("recurse", "RecursionError"),
        ("return_nothing", "returned what does not match Result"),
        ("return_wrong_type", "answer: "),
        ("return_self_containing", "answer: "),
        ("return_surrogate", "returned what cannot be written as JSON"),
        ("no_such_function", "KeyError: 'no_such_function'"),
    ],
)
async def test_a_task_that_fails_leaves_its_process_usable(
    pool: SlotPool, how: str, says: str
) -> None:
    [child] = pool.children

    outcome = await run(pool, "hostile", how=how, text="hello")

    assert outcome.ending is Ending.FAILURE
    assert says in outcome.text
    assert "workers/child.py" not in outcome.text, "our frames are no business of the user"
    assert (await run(pool, "echo", value=1)).result == b'{"value":1}'
    assert pool.children == [child]


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("exit_with_0", "exited with status 0"),
        ("exit_with_7", "exited with status 7"),
        ("segfault", "signal 11 (Segmentation fault)"),
        ("kill_itself", "signal 9 (Killed)"),
    ],
)
async def test_a_task_that_ends_its_process_is_told_apart_and_the_slot_refilled(
    pool: SlotPool, how: str, says: str
) -> None:
    outcome = await run(pool, "hostile", how=how)

    assert outcome.ending is Ending.CRASHED
    assert says in outcome.text
    assert "MiB" in outcome.text
    assert (await run(pool, "echo", value=1)).ending is Ending.SUCCESS


async def test_a_huge_traceback_is_shortened(pool: SlotPool) -> None:
    outcome = await run(pool, "hostile", how="raise_long")

    assert len(outcome.text) < LONGEST_TEXT + 100
    assert "characters left out" in outcome.text
    assert "Traceback" in outcome.text


@pytest.mark.parametrize("size", [1, 300_000, 8 * 2**20])
async def test_params_and_results_of_any_size_cross_the_pipe(pool: SlotPool, size: int) -> None:
    outcome = await run(pool, "echo", value="x" * size)

    assert outcome.result == b'{"value":"' + b"x" * size + b'"}'


async def test_integers_of_any_size_stay_exact(pool: SlotPool) -> None:
    number = 3**200
    job = b'{"f":"echo","a":[],"k":{"value":%d},"et":0}' % number

    outcome = await run_job(pool, ClaimedJob("big", "echo", "", 1, job, ""))
    assert outcome.result == b'{"value":%d}' % number


async def test_a_result_may_be_the_model_itself(pool: SlotPool) -> None:
    assert (await run(pool, "hostile", how="return_model", text="x")).result == b'{"answer":"x"}'


async def test_a_fork_of_a_task_that_returns_does_not_answer_for_the_next_job(
    pool: SlotPool,
) -> None:
    outcome = await run(pool, "hostile", how="return_from_a_fork", text="old")
    assert outcome.result == b'{"answer":"old"}'

    for number in range(3):  # the fork returns during the first of these
        outcome = await run(pool, "hostile", how="sleep_and_return", text=str(number))
        assert orjson.loads(outcome.result) == {"answer": str(number)}


async def test_what_a_task_says_comes_out_of_the_worker(
    capfd: pytest.CaptureFixture[str], make_pool: MakePool
) -> None:
    pool = await make_pool()
    await run(pool, "hostile", how="say", text="hello")

    said = capfd.readouterr().out
    for line in ("printed: hello", "written: hello", "subprocess: hello"):
        assert f"{line}\n" in said


@pytest.mark.parametrize(
    ("how", "ending", "says"),
    [
        ("sleep_and_clean_up", Ending.SUCCESS, "cleaned up"),
        ("sleep_long", Ending.SOFT_TIMEOUT, "SoftTimeLimitExceeded"),
    ],
)
async def test_the_soft_limit_is_an_exception_inside_the_task(
    make_pool: MakePool, how: str, ending: Ending, says: str
) -> None:
    pool = await make_pool(soft_limit=0.2)
    [child] = pool.children

    outcome = await run(pool, "hostile", how=how)

    assert outcome.ending is ending
    assert says in outcome.result.decode()
    assert (await run(pool, "echo", value=1)).ending is Ending.SUCCESS
    assert pool.children == [child]


async def test_the_hard_limit_ends_what_ignores_everything_and_its_descendants(
    make_pool: MakePool, tmp_path: Path
) -> None:
    pool = await make_pool(time_limit=1.0, soft_limit=0.3)
    told = tmp_path / "pids"

    outcome = await run(pool, "hostile", how="block_everything", text=str(told))

    assert (outcome.ending, outcome.reason) == (Ending.KILLED, StopReason.TIME_LIMIT)
    assert "TIME_LIMIT" in outcome.text
    pids = pids_in(told)
    await eventually(lambda: not any(map(is_alive, pids)), within=1)
    assert (await run(pool, "echo", value=1)).ending is Ending.SUCCESS


@pytest.mark.parametrize("reason", [StopReason.REVOKED, StopReason.LEASE_LOST, StopReason.SHUTDOWN])
async def test_stopping_a_job_says_why_and_leaves_its_neighbour_alone(
    make_pool: MakePool, tmp_path: Path, reason: StopReason
) -> None:
    pool = await make_pool(2)
    jobs = [claimed("hold", record=str(tmp_path / name)) for name in ("a", "b")]
    running = [asyncio.create_task(run_job(pool, job)) for job in jobs]
    await eventually(lambda: (tmp_path / "a").exists() and (tmp_path / "b").exists())

    assert pool.stop(jobs[0].token, reason)
    outcome = await running[0]
    let_go(tmp_path / "b")

    assert (outcome.ending, outcome.reason) == (Ending.KILLED, reason)
    assert (await running[1]).ending is Ending.SUCCESS
    assert not pool.stop(jobs[0].token, reason), "it does not run any more"


async def test_a_stop_that_comes_after_the_answer_hits_nobody(
    make_forks: Callable[..., ForkClient],
) -> None:
    slot = Slot(make_forks(), 60.0, 1000)
    await slot.refill(lambda: None)
    ended = claimed("echo", value=1)
    assert (await slot.run(ended)).ending is Ending.SUCCESS

    slot.stop(ended.token, StopReason.REVOKED)

    assert slot.is_ready
    assert (await slot.run(claimed("echo", value=2))).ending is Ending.SUCCESS


async def test_a_child_that_dies_before_its_slot_has_it_is_replaced(
    make_forks: Callable[..., ForkClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    forks = make_forks()
    await forks.start()
    spawn = forks.spawn

    async def spawn_one_that_dies() -> ChildHandle:
        monkeypatch.setattr(forks, "spawn", spawn)
        child = await spawn()
        os.kill(child.pid, signal.SIGKILL)
        await child.gone.wait()
        return child

    monkeypatch.setattr(forks, "spawn", spawn_one_that_dies)
    pool = SlotPool([Slot(forks, 60, 1000)])
    await pool.start()

    await eventually(lambda: pool.free == 1, within=5)
    assert (await run(pool, "echo", value=1)).ending is Ending.SUCCESS
    pool.close()


DOOMED = """
import os, threading
from pydantic import BaseModel
class Params(BaseModel): pass
class Result(BaseModel): pass
if os.path.exists({mark!r}):
    with open({mark!r} + ".seen", "a") as seen:
        seen.write("+")
    raise RuntimeError("the file has changed since")
threading.Thread(target=threading.Event().wait, daemon=True).start()
def doomed():
    return {{}}
"""


async def test_children_that_die_at_once_are_replaced_ever_more_slowly(
    make_pool: MakePool, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    (tmp_path / "doomed.py").write_text(DOOMED.format(mark=str(mark)))
    pool = await make_pool(tasks_dir=tmp_path, tasks=("doomed",))
    assert (await run(pool, "doomed")).ending is Ending.SUCCESS

    seen = tmp_path / "mark.seen"
    seen.touch()
    mark.touch()
    os.kill(pool.children[0], signal.SIGKILL)
    await eventually(lambda: len(seen.read_text()) == 3, within=10)
    began = time.monotonic()
    await eventually(lambda: len(seen.read_text()) == 5, within=20)
    assert time.monotonic() - began > 0.4, "at least 0.2 and 0.4 s, less the jitter of half"

    async def is_served() -> bool:
        return (await run(pool, "doomed")).ending is Ending.SUCCESS

    mark.unlink()
    await eventually(is_served, within=20)


async def test_an_idle_child_that_dies_is_replaced(make_pool: MakePool) -> None:
    pool = await make_pool(2)
    before = pool.children
    assert pool.free == 2

    os.kill(before[0], signal.SIGKILL)

    await eventually(lambda: pool.free == 2 and pool.children != before, within=3)
    assert before[1] in pool.children
    assert (await run(pool, "echo", value=1)).ending is Ending.SUCCESS


async def test_a_child_that_dies_between_promise_and_run_costs_no_slot(
    make_pool: MakePool,
) -> None:
    pool = await make_pool()
    for _ in range(5):
        job = claimed("echo", value=1)
        pool.promise(job.token)
        os.kill(pool.children[0], signal.SIGKILL)
        outcome = await pool.run(job)
        assert outcome.ending in (Ending.SUCCESS, Ending.CRASHED, Ending.UNSTARTED)
        await eventually(lambda: pool.free == 1 and is_alive(pool.children[0]))


async def test_what_a_task_writes_to_its_socket_harms_nobody(pool: SlotPool) -> None:
    outcome = await run(pool, "hostile", how="forge", text="\0\0\0\1X")

    assert (outcome.ending, outcome.text) == (
        Ending.FAILURE, "the task's process sent what is no outcome"
    )  # fmt: skip
    assert (await run(pool, "echo", value=1)).ending is Ending.SUCCESS


async def test_a_child_may_have_any_name(pool: SlotPool) -> None:
    name = "job \u5904\u7406\u4efb\u52a1\u8fdb\u7a0b"
    assert (await run(pool, "hostile", how="name_itself", text=name)).ending is Ending.SUCCESS

    assert peak_memory_kib(pool.children[0]) > 1000


async def test_a_child_is_replaced_after_so_many_jobs(make_pool: MakePool) -> None:
    pool = await make_pool(jobs_per_child=3)

    pids = [orjson.loads((await run(pool, "hostile", how="tell_pid")).result) for _ in range(9)]

    told = [answer["answer"] for answer in pids]
    assert [len(set(told[n : n + 3])) for n in (0, 3, 6)] == [1, 1, 1]
    assert len(set(told)) == 3
    await eventually(lambda: not any(is_alive(int(pid)) for pid in told[:6]))


def _cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


@pytest.mark.parametrize("jobs", [0, 1])
async def test_an_idle_child_takes_no_cpu_time(make_pool: MakePool, jobs: int) -> None:
    pool = await make_pool()
    for _ in range(jobs):
        await run(pool, "echo", value=1)
    before = _cpu_ticks(pool.children[0])
    await asyncio.sleep(0.5)

    assert _cpu_ticks(pool.children[0]) - before <= 4, "in hundredths of a second"


async def test_many_children_at_once(make_pool: MakePool) -> None:
    pool = await make_pool(8)

    async def echo(number: int) -> Outcome:
        while True:
            outcome = await run(pool, "echo", value=number)
            if outcome.ending is not Ending.UNSTARTED:
                return outcome
            await asyncio.sleep(0.01)  # a busy machine: nothing may wait behind one that runs on

    outcomes = await asyncio.gather(*map(echo, range(200)))

    assert [orjson.loads(o.result)["value"] for o in outcomes] == list(range(200))
    assert pool.free == 8


@pytest.mark.parametrize(
    "job",
    [
        b"\x80\x04pickle", b"", b"null", b"[]", b"{}", b'{"f":"echo"}',
        b'{"f":"hold","a":[],"k":{},"et":0}', b'{"f":"echo","a":[1],"k":{},"et":0}',
        b'{"f":"echo","a":[],"k":{"value":1},"et":0', b"\xff", b"[" * 100_000,
    ],
    ids=lambda job: repr(job[:20]),
)  # fmt: skip
async def test_a_job_that_is_no_job_is_unreadable(pool: SlotPool, job: bytes) -> None:
    outcome = await run_job(pool, ClaimedJob("odd", "echo", "", 1, job, ""))

    assert outcome.ending is Ending.UNREADABLE
    assert outcome.text
    assert (await run(pool, "echo", value=1)).ending is Ending.SUCCESS
