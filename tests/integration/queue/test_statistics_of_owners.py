"""statistics of one owner: his jobs are counted as all are, and to have none costs nothing."""

import pytest
from arq.connections import ArqRedis

from config.nobody import NOBODY
from tests.queue_state import TASK, WORKER, claim_one, created_and_claimed, lapse, new_job
from workers.queue import keys, owners
from workers.queue.broker import CRASH_LIMIT, WINDOWS, Broker
from workers.queue.records import State, Statistics, Verdict

DAY = 86400  # seconds
HIS_TOTALS = keys.TOTALS + owners.OWNED + "ann"
HIS_SLOTS = keys.SLOTS + owners.OWNED + "ann"


async def of_ann(broker: Broker) -> Statistics:
    """What ann is told."""
    return await broker.statistics([TASK, "idle"], owner="ann")


async def amounts_of(broker: Broker, owner: str = "ann") -> dict[str, int]:
    """The counters of an owner that are not zero, by state."""
    totals = (await broker.statistics([TASK], owner=owner)).totals
    return {name.removeprefix(f"{TASK}:"): n for name, n in totals.items() if n}


async def names_of_owners(redis: ArqRedis) -> list[str]:
    """All keys under which somebody's jobs are counted."""
    return [name.decode() async for name in redis.scan_iter(match=f"*{owners.OWNED}*")]


async def test_each_has_his_own_counts_and_everybodys_are_the_sum(broker: Broker) -> None:
    for owner in ("ann", "ann", "bob"):
        await broker.create(new_job(owner=owner))
        await broker.finish(await claim_one(broker), State.SUCCESS, b"{}")
    await created_and_claimed(broker)
    await broker.create(new_job())
    await broker.create(new_job(owner="bob"))

    assert await amounts_of(broker) == {"SUCCESS": 2, "STARTED": 1, "PENDING": 1}
    assert await amounts_of(broker, "bob") == {"SUCCESS": 1, "PENDING": 1}
    assert await amounts_of(broker, "eve") == {}
    assert (await of_ann(broker)).waiting == {TASK: 1, "idle": 0}
    everybodys = await broker.statistics([TASK])
    assert everybodys.totals[f"{TASK}:SUCCESS"] == 3
    assert everybodys.waiting == {TASK: 2}


async def test_windows_hold_what_ended_of_his(broker: Broker) -> None:
    for owner in ("ann", "bob", "bob"):
        await broker.create(new_job(owner=owner))
        await broker.finish(await claim_one(broker), State.FAILURE, b'""')

    windows = (await of_ann(broker)).completed_since
    assert {w: ended[f"{TASK}:FAILURE"] for w, ended in windows.items()} == dict.fromkeys(
        WINDOWS, 1
    )


@pytest.mark.parametrize("owner", ["", NOBODY])
async def test_jobs_without_an_owner_are_not_counted_apart(
    broker: Broker, redis: ArqRedis, owner: str
) -> None:
    job = await created_and_claimed(broker, new_job(owner=owner))
    await broker.finish(job, State.SUCCESS, b"{}")

    assert await names_of_owners(redis) == []


async def _calls_of_a_job(broker: Broker, redis: ArqRedis, owner: str) -> int:
    """How many commands the server carries out for one job, apart from new snapshots."""
    await redis.config_resetstat()
    job = await created_and_claimed(broker, new_job(owner=owner))
    await broker.finish(job, State.SUCCESS, b"{}")
    counted = await redis.info("commandstats")
    of_snapshots = ("copy", "expire", "zremrangebyscore", "config|resetstat", "info")
    return sum(
        one["calls"] for name, one in counted.items()
        if name.removeprefix("cmdstat_") not in of_snapshots
    )  # fmt: skip


async def test_an_owner_costs_eight_commands_a_job(broker: Broker, redis: ArqRedis) -> None:
    for owner in ("", "ann"):  # makes the first snapshots, and loads the scripts
        await _calls_of_a_job(broker, redis, owner)
    calls = {owner: [await _calls_of_a_job(broker, redis, owner) for _ in range(5)]
             for owner in ("", NOBODY, "ann")}  # fmt: skip

    # The least of them: now and then a slot of 5 s begins.
    assert min(calls[NOBODY]) == min(calls[""])
    # In a queue that was empty one more.
    assert min(calls["ann"]) - min(calls[""]) == 8 + 1


async def test_replayed_jobs_are_their_owners(broker: Broker) -> None:
    await broker.create(new_job("bad"))
    for _ in range(CRASH_LIMIT):
        verdict = await broker.release(await claim_one(broker), crash="crash")
    assert verdict is Verdict.DEAD
    await broker.replay("bad", "again")

    assert await amounts_of(broker) == {"FAILURE": 1, "PENDING": 1}


async def test_lost_jobs_stay_counted_once(broker: Broker, redis: ArqRedis) -> None:
    await lapse(redis, await created_and_claimed(broker))
    await claim_one(broker)

    assert await amounts_of(broker) == {"STARTED": 1}


async def test_all_counters_of_an_owner_end_some_time(broker: Broker, redis: ArqRedis) -> None:
    job = await created_and_claimed(broker)
    assert await redis.ttl(HIS_TOTALS) > 59 * DAY
    await broker.finish(job, State.SUCCESS, b"{}")

    names = await names_of_owners(redis)
    assert len(names) == 2 + 2 * 3
    lifetimes = {name: await redis.ttl(name) for name in names}
    assert min(lifetimes.values()) > 0
    assert lifetimes[HIS_TOTALS] > 59 * DAY


async def test_counters_that_ended_while_a_job_ran_begin_at_zero(
    broker: Broker, redis: ArqRedis
) -> None:
    job = await created_and_claimed(broker)
    await redis.delete(*await names_of_owners(redis))
    await broker.finish(job, State.SUCCESS, b"{}")

    assert await amounts_of(broker) == {"SUCCESS": 1}
    assert await redis.ttl(HIS_TOTALS) > 59 * DAY


@pytest.mark.parametrize("name", [HIS_TOTALS, HIS_SLOTS])
async def test_counters_of_a_wrong_type_cost_no_job_anything(
    broker: Broker, redis: ArqRedis, name: str
) -> None:
    await redis.rpush(name, "x")
    for _ in range(2):
        job = await created_and_claimed(broker)
        assert await broker.finish(job, State.SUCCESS, b"{}") is Verdict.OK

    assert (await amounts_of(broker))["SUCCESS"] >= 1


async def test_a_job_that_was_forgotten_before_anybody_claimed_it_does_not_wait_for_ever(
    broker: Broker, redis: ArqRedis
) -> None:
    """As after 60 days: its meta, which says whose it is, has expired."""
    await broker.create(new_job("old"))
    await redis.delete(keys.META + "old", keys.JOB + "old")
    assert (await of_ann(broker)).waiting[TASK] == 1  # it is in the queue still
    [buried] = (await broker.claim(WORKER, 1, [TASK])).buried
    assert buried.id == "old"

    assert (await of_ann(broker)).waiting[TASK] == 0
    await broker.create(new_job())
    assert (await of_ann(broker)).waiting[TASK] == 1
    assert await amounts_of(broker) == {"PENDING": 1}
