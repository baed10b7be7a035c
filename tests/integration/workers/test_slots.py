"""Slots: what waits behind a running job, which slot a job goes to, and when jobs are wanted."""

import asyncio
import os
import secrets
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from config.settings import Settings
from tests.held_jobs import let_go
from tests.integration.workers.conftest import MakePool, claimed, run
from tests.waiting import eventually, wait_until
from workers.child_handle import UNSTARTED
from workers.fork_client import ForkClient
from workers.leases import Leases
from workers.outcome import Ending, Outcome, StopReason
from workers.pace import PATIENCE_SECONDS
from workers.queue.broker import Broker
from workers.queue.records import ClaimedJob
from workers.slots import Slot, SlotPool

Crowded = tuple[Slot, list[ClaimedJob], list[asyncio.Future[Outcome]]]


@pytest.fixture
async def crowded(make_forks: Callable[..., ForkClient], tmp_path: Path) -> Crowded:
    """A slot whose first job runs until a file `0.go` appears, with three more behind it."""
    slot = Slot(make_forks(), 60.0, 1000)
    await slot.refill(lambda: None)
    jobs = [claimed("hold", record=str(tmp_path / str(n))) for n in range(4)]
    running = [asyncio.ensure_future(slot.run(job)) for job in jobs]
    await eventually(lambda: (tmp_path / "0").exists())
    return slot, jobs, running


async def test_jobs_sent_ahead_run_one_after_the_other(crowded: Crowded, tmp_path: Path) -> None:
    slot, _, running = crowded
    assert slot.outstanding == 4
    for n in range(4):
        await eventually(lambda n=n: (tmp_path / str(n)).exists())
        assert not (tmp_path / str(n + 1)).exists()
        let_go(tmp_path / str(n))
        assert (await running[n]).ending is Ending.SUCCESS


@pytest.mark.parametrize("reason", [StopReason.REVOKED, StopReason.LEASE_LOST])
async def test_a_job_sent_ahead_is_stopped_without_harm_to_the_others(
    crowded: Crowded, tmp_path: Path, reason: StopReason
) -> None:
    slot, jobs, running = crowded

    slot.stop(jobs[2].token, reason)

    assert (await running[2]).reason is reason
    for n in (0, 1, 3):
        let_go(tmp_path / str(n))
        assert (await running[n]).ending is Ending.SUCCESS
    assert not (tmp_path / "2").exists(), "it never ran"


@pytest.mark.parametrize("how", ["stopped", "out of time"])
async def test_the_end_of_a_job_that_has_just_ended_does_not_hit_the_next(
    crowded: Crowded, tmp_path: Path, how: str
) -> None:
    slot, jobs, running = crowded
    let_go(tmp_path / "0")
    wait_until((tmp_path / "1").exists)  # its answer is there, and nobody has read it

    if how == "stopped":
        slot.stop(jobs[0].token, StopReason.REVOKED)
    else:
        slot._time_limit = 0.0
        slot._ring()

    for n in range(4):
        let_go(tmp_path / str(n))
        assert (await running[n]).ending is Ending.SUCCESS


async def test_a_job_that_is_not_sent_yet_is_stopped_without_harm_to_the_running_one(
    crowded: Crowded, tmp_path: Path
) -> None:
    slot, _, running = crowded
    job = claimed("echo", value=1)
    unsent = slot.run(job)

    slot.stop(job.token, StopReason.REVOKED)

    assert (await unsent).reason is StopReason.REVOKED
    let_go(*(tmp_path / str(n) for n in range(4)))
    assert [(await one).ending for one in running] == [Ending.SUCCESS] * 4


async def test_a_stop_that_comes_when_the_child_has_gone_hits_nobody(crowded: Crowded) -> None:
    slot, jobs, running = crowded
    assert slot._child is not None
    os.kill(slot._child.pid, signal.SIGKILL)
    await slot._child.gone.wait()

    for job in jobs:
        slot.stop(job.token, StopReason.REVOKED)

    assert [(await one).ending for one in running] == [Ending.CRASHED, *[Ending.UNSTARTED] * 3]


async def test_an_answer_that_came_while_the_worker_was_frozen_counts(
    make_forks: Callable[..., ForkClient],
) -> None:
    slot = Slot(make_forks(), 1.0, 1000)
    await slot.refill(lambda: None)
    running = slot.run(claimed("echo", value="x" * 4 * 2**20))
    await asyncio.sleep(0)
    await eventually(lambda: slot.is_ready)  # when all of it is sent
    time.sleep(2)  # noqa: ASYNC251  this process is frozen

    assert (await running).ending is Ending.SUCCESS


async def test_a_job_that_a_hanging_child_has_not_begun_is_not_said_to_be_too_long(
    make_forks: Callable[..., ForkClient],
) -> None:
    slot = Slot(make_forks(), 60.0, 1000)
    await slot.refill(lambda: None)
    child = slot._child
    assert child is not None
    os.kill(child.pid, signal.SIGSTOP)
    waiting = slot.run(claimed("echo", value=1))
    await asyncio.sleep(0)  # it is sent
    slot._time_limit = 0.0

    slot._ring()

    assert (await waiting).ending is Ending.UNSTARTED
    await child.gone.wait()


async def test_nothing_begins_behind_a_job_that_is_stopped(
    crowded: Crowded, tmp_path: Path
) -> None:
    slot, jobs, running = crowded
    assert slot._forks._process is not None
    killer = slot._forks._process.pid
    os.kill(killer, signal.SIGSTOP)

    slot.stop(jobs[0].token, StopReason.REVOKED)
    let_go(tmp_path / "0")
    assert (await running[0]).ending is Ending.SUCCESS, "it was faster"
    os.kill(killer, signal.SIGCONT)

    assert [(await one).ending for one in running[1:]] == [Ending.UNSTARTED] * 3
    assert not (tmp_path / "1").exists()


async def test_what_waits_behind_a_job_that_dies_was_not_started(
    crowded: Crowded, tmp_path: Path
) -> None:
    slot, _, running = crowded

    os.kill(slot.pid or 0, signal.SIGKILL)

    assert [(await one).ending for one in running] == [Ending.CRASHED, *[Ending.UNSTARTED] * 3]
    assert not (tmp_path / "1").exists()


async def test_what_waits_behind_a_long_job_is_given_back(crowded: Crowded, tmp_path: Path) -> None:
    slot, _, running = crowded

    slot.give_back()

    assert [(await one).ending for one in running[1:]] == [Ending.UNSTARTED] * 3
    let_go(tmp_path / "0")
    assert (await running[0]).ending is Ending.SUCCESS
    assert (await slot.run(claimed("echo", value=1))).ending is Ending.SUCCESS


async def test_a_large_job_behind_another_waits_its_turn(crowded: Crowded, tmp_path: Path) -> None:
    slot, _, _ = crowded
    large = asyncio.ensure_future(slot.run(claimed("echo", value="x" * 3_000_000)))
    await eventually(lambda: not slot.is_ready)
    for n in range(4):
        let_go(tmp_path / str(n))

    assert (await large).ending is Ending.SUCCESS
    await eventually(lambda: slot.is_ready)


async def hold(pool: SlotPool, path: Path) -> Outcome:
    """A job that runs until it is let go."""
    return await run(pool, "hold", record=str(path))


async def test_a_pool_gives_back_what_waits_in_it_too_long(
    make_pool: MakePool, tmp_path: Path
) -> None:
    pool = await make_pool()
    first = asyncio.create_task(hold(pool, tmp_path / "0"))
    await eventually(lambda: (tmp_path / "0").exists())

    assert (await run(pool, "echo", value=1)).ending is Ending.UNSTARTED
    let_go(tmp_path / "0")
    assert (await first).ending is Ending.SUCCESS


async def test_what_was_taken_ahead_can_be_given_back_at_once(
    make_pool: MakePool, tmp_path: Path
) -> None:
    pool = await make_pool()
    first = asyncio.create_task(hold(pool, tmp_path / "0"))
    behind = asyncio.create_task(hold(pool, tmp_path / "1"))
    await eventually(lambda: (tmp_path / "0").exists())

    pool.give_back()

    assert (await behind).ending is Ending.UNSTARTED
    let_go(tmp_path / "0")
    assert (await first).ending is Ending.SUCCESS
    assert not (tmp_path / "1").exists()


async def test_a_job_that_comes_while_a_large_one_is_being_sent_is_not_forgotten(
    make_forks: Callable[..., ForkClient],
) -> None:
    slot = Slot(make_forks(), 60.0, 1000)
    pool = SlotPool([slot])
    await pool.start()
    large, small = claimed("echo", value="x" * 2_000_000), claimed("echo", value=1)
    for job in (large, small):
        pool.promise(job.token)
    first = asyncio.create_task(pool.run(large))
    for _ in range(5):  # turns of the event loop, until it is being sent
        await asyncio.sleep(0)
    assert not slot.is_ready
    second = asyncio.create_task(pool.run(small))

    assert (await first).ending is Ending.SUCCESS
    assert (await second).ending in (Ending.SUCCESS, Ending.UNSTARTED)
    pool.close()


async def test_a_promise_may_be_taken_back(make_pool: MakePool) -> None:
    pool = await make_pool()
    pool.promise("a token")
    assert not pool.wants_jobs
    pool.freed.clear()

    pool.take_promise_back("a token")
    assert pool.wants_jobs
    assert pool.freed.is_set()


async def test_a_job_that_was_promised_a_place_can_be_stopped(
    make_pool: MakePool, tmp_path: Path
) -> None:
    pool = await make_pool()
    job = claimed("hold", record=str(tmp_path / "0"))
    pool.promise(job.token)

    assert pool.stop(job.token, StopReason.REVOKED)

    assert (await pool.run(job)).reason is StopReason.REVOKED
    assert not (tmp_path / "0").exists()
    assert pool.free == 1


async def test_a_job_that_had_not_begun_when_its_worker_ended_was_no_attempt(
    crowded: Crowded, make_pool: MakePool
) -> None:
    slot, jobs, running = crowded
    slot.stop(jobs[1].token, StopReason.SHUTDOWN)
    assert await running[1] == UNSTARTED

    pool = await make_pool()
    promised = claimed("echo", value=1)
    pool.promise(promised.token)
    assert pool.stop(promised.token, StopReason.SHUTDOWN)
    assert await pool.run(promised) == UNSTARTED


async def test_a_revoke_that_is_faster_than_the_claims_answer_counts(
    make_pool: MakePool, own_broker: Broker, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    pool = await make_pool()
    leases = Leases(own_broker, pool, make_settings())
    revoked, other = (claimed("hold", record=str(tmp_path / name)) for name in ("a", "b"))

    leases.expect()
    leases.cancel(revoked.id.encode())
    for job in (revoked, other):
        pool.promise(job.token)
    leases.take([revoked, other])

    assert (await pool.run(revoked)).reason is StopReason.REVOKED
    let_go(tmp_path / "b")
    assert (await pool.run(other)).ending is Ending.SUCCESS
    assert not (tmp_path / "a").exists()


async def test_no_more_jobs_are_taken_ahead_than_a_child_may_run(make_pool: MakePool) -> None:
    pool = await make_pool(jobs_per_child=12)
    for _ in range(10):
        await run(pool, "echo", value=1)
    assert pool.room == 2, "short jobs are taken ahead, but its child is replaced after these"


@pytest.mark.parametrize("when", ["the job in front runs on", "the pool closes"])
async def test_no_job_waits_for_a_child_that_runs_its_last_one(
    make_pool: MakePool, tmp_path: Path, when: str
) -> None:
    pool = await make_pool(jobs_per_child=1)
    first = asyncio.create_task(hold(pool, tmp_path / "0"))
    behind = asyncio.create_task(hold(pool, tmp_path / "1"))
    await eventually(lambda: (tmp_path / "0").exists())
    if when == "the pool closes":
        os.kill(pool.children[0], signal.SIGKILL)
        pool.close()

    assert (await behind).ending is Ending.UNSTARTED
    let_go(tmp_path / "0")
    await first


async def test_a_job_that_comes_when_all_slots_run_on_is_given_back(
    make_pool: MakePool, tmp_path: Path
) -> None:
    pool = await make_pool()
    first = asyncio.create_task(hold(pool, tmp_path / "0"))
    await eventually(lambda: pool.room == 0)

    assert (await run(pool, "echo", value=1)).ending is Ending.UNSTARTED
    let_go(tmp_path / "0")
    assert (await first).ending is Ending.SUCCESS
    assert (await run(pool, "echo", value=1)).ending is Ending.SUCCESS


@pytest.fixture
async def steady(make_pool: MakePool) -> SlotPool:
    """A pool of two slots that foresees when its jobs end."""
    pool = await make_pool(2)

    async def foresees() -> bool:
        await asyncio.gather(nap(pool), nap(pool))
        return pool.foresees_ends

    # Once enough of them took about the same time, which on a busy machine may be some more.
    await eventually(foresees, within=30)
    return pool


async def nap(pool: SlotPool) -> Outcome:
    """A job of 300 ms."""
    return await run(pool, "hostile", how="sleep_and_return", text="")


async def test_the_next_long_job_is_wanted_when_the_running_one_is_about_to_end(
    steady: SlotPool,
) -> None:
    async def is_wanted_in_time() -> bool:
        running = [asyncio.create_task(nap(steady)) for _ in range(2)]
        await eventually(lambda: steady.free == 0)
        steady.freed.clear()
        wanted_early = steady.wants_jobs
        await steady.freed.wait()
        in_time = steady.wants_jobs and not any(one.done() for one in running)
        await asyncio.gather(*running)
        return in_time and not wanted_early

    await eventually(is_wanted_in_time)  # at least once: on a busy machine jobs vary


async def test_a_long_job_is_not_put_behind_one_that_is_not_about_to_end(
    steady: SlotPool,
) -> None:
    async def is_given_back() -> bool:
        running = [asyncio.create_task(nap(steady)) for _ in range(2)]
        await asyncio.sleep(2 * PATIENCE_SECONDS)
        outcome = await nap(steady)
        at_once = not any(one.done() for one in running)
        await asyncio.gather(*running)
        return at_once and outcome.ending is Ending.UNSTARTED

    await eventually(is_given_back)


async def test_short_jobs_are_taken_ahead_and_long_ones_are_not(
    make_pool: MakePool, tmp_path: Path
) -> None:
    pool = await make_pool()
    assert (pool.free, pool.room) == (1, 1), "nothing is known yet"

    for _ in range(100):
        await run(pool, "echo", value=1)
    assert (pool.free, pool.room > 5) == (1, True)

    long = asyncio.create_task(hold(pool, tmp_path / "0"))
    await eventually(lambda: (tmp_path / "0").exists())
    await asyncio.sleep(0.5)
    let_go(tmp_path / "0")
    await long
    assert pool.room == 1


async def test_a_job_that_cannot_be_sent_leaves_its_place_to_others(make_pool: MakePool) -> None:
    pool = await make_pool()
    job = claimed("echo", value=1)._replace(data=None)  # type: ignore[arg-type]
    pool.promise(job.token)
    pool.freed.clear()
    with pytest.raises(TypeError):
        await pool.run(job)

    await asyncio.wait_for(pool.freed.wait(), 5)
    assert pool.wants_jobs


async def test_a_short_job_is_put_behind_the_one_that_has_been_running_for_longer(
    make_pool: MakePool, tmp_path: Path
) -> None:
    pool = await make_pool(2)

    async def it_is() -> bool:
        for _ in range(50):  # so that jobs are short enough to be taken ahead
            await run(pool, "echo", value=1)
        paths = [tmp_path / secrets.token_hex(4) for _ in range(3)]
        first, elder = (asyncio.create_task(hold(pool, path)) for path in paths[:2])
        let_go(paths[0])
        await first
        younger = asyncio.create_task(hold(pool, paths[2]))  # where the first one was
        next_one = asyncio.create_task(run(pool, "echo", value=1))
        await asyncio.sleep(0)
        let_go(paths[1])
        outcome = await next_one
        was_younger_running = not younger.done()
        let_go(paths[2])
        await asyncio.gather(elder, younger)
        return was_younger_running and outcome.ending is Ending.SUCCESS

    await eventually(it_is)  # at least once: on a busy machine nothing waits behind what was short
