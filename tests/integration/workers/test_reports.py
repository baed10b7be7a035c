"""Outcomes on their way to the queue server: not too many of them while more jobs are taken."""

import asyncio
from pathlib import Path

from arq.connections import ArqRedis

from tests.queue_state import TASK, created_and_claimed, limited, new_job
from workers import reports
from workers.outbox import Outbox
from workers.outcome import Ending, Outcome
from workers.queue import keys
from workers.queue.broker import Broker
from workers.queue.records import State
from workers.reports import Reporter


async def test_it_is_behind_while_too_many_outcomes_wait(
    broker: Broker, redis: ArqRedis, tmp_path: Path
) -> None:
    caught_up = asyncio.Event()
    reporter = Reporter(broker, Outbox(tmp_path), caught_up.set)
    jobs = [await created_and_claimed(broker, new_job()) for _ in range(reports.MOST_WAITING)]

    await redis.client_pause(300)
    reporting = [
        asyncio.create_task(reporter.report(job, Outcome(Ending.SUCCESS, b"{}"), 0.0))
        for job in jobs
    ]
    await asyncio.sleep(0)  # they begin
    assert reporter.is_behind
    assert not caught_up.is_set()

    await asyncio.wait_for(caught_up.wait(), 5)
    assert not reporter.is_behind
    await asyncio.gather(*reporting)
    assert {(await broker.read(job.id)).state for job in jobs} == {State.SUCCESS}


async def test_an_outcome_that_is_refused_keeps_the_others_from_nothing(
    broker: Broker, redis: ArqRedis, tmp_path: Path
) -> None:
    outbox, outcome = Outbox(tmp_path), Outcome(Ending.SUCCESS, b"{}")
    jobs = [
        await created_and_claimed(broker, new_job(job_id, concurrency=limited(1, job_id)))
        for job_id in ("a", "b", "c")
    ]
    for job in jobs:
        outbox.keep(job, outcome)
    await redis.set(keys.HOLDERS + f"{TASK}:b", "what somebody put there")

    assert await Reporter(broker, outbox, lambda: None).replay() == 2
    assert [job.id for job, _ in outbox.kept()] == ["b"]
