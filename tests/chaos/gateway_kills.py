"""Row 9: the API is killed at every step of a create."""

import asyncio
import contextlib
import time
from collections import Counter

from redis import Redis

from tests.chaos.gateway_figures import (
    Figures,
    cluster_of_its_own,
    connect,
    ended,
    head,
    read_answer,
    violations,
)
from tests.integration.app.cluster import Gateway
from tests.waiting import eventually
from workers.queue import keys

BODY = b'{"text": "a create"}'
HEAD = head("POST", "/create/grow", len(BODY))
REQUEST = HEAD + BODY
# How much of the request is sent, and how many ms later the process is killed.
STEPS = [(0, 0), (10, 0), (len(HEAD), 0), (len(HEAD) + 5, 1)]
STEPS += [(len(REQUEST), ms) for ms in (0, 0.2, 0.4, 0.6, 0.8, 1, 1.3, 1.6, 2, 2.5, 3, 4, 6, 10)]


async def killed_gateways(rounds: int = 4, at_once: int = 4) -> Figures:
    """Each step ``rounds`` times; a few creates are under way in each gateway when it is killed."""
    acknowledged: list[str] = []
    sent = 0
    with cluster_of_its_own() as cluster:
        cluster.add_worker()
        last = cluster.add_gateway()
        cluster.wait_ready()
        kills = STEPS * rounds
        while kills:
            gateways = [cluster.add_gateway() for _ in range(min(4, len(kills)))]
            for gateway in gateways:
                await asyncio.to_thread(gateway.wait_ready)
                size, ms = kills.pop()
                sent += at_once if size == len(REQUEST) else 0
                acknowledged += await killed_during(gateway, size, ms, at_once)
        records = [await ended(last, job_id) for job_id in acknowledged]
        with Redis.from_url(cluster.queue.url) as queue:
            begin = time.monotonic()
            await eventually(lambda: not left_over(queue), within=30)
            executed = len(queue.keys(keys.RESULT + "*"))
        states = Counter(str(record.get("state")) for record in records)
        return Figures(
            "9", f"a gateway killed {len(STEPS) * rounds} times at {len(STEPS)} steps of a create",
            "unknown everywhere or executed",
            {"sent": sent, "acknowledged": len(acknowledged), "executed": executed,
             "settled_s": time.monotonic() - begin},
            violations(
                acknowledged_are_executed=states == {"SUCCESS": len(acknowledged)} or not states,
                none_executed_twice=len(acknowledged) <= executed <= sent,
            ),
        )  # fmt: skip


def left_over(queue: "Redis[bytes]") -> list[bytes]:
    """What belongs to jobs that have not ended."""
    names = (keys.JOB, keys.META, keys.IN_PROGRESS, keys.RETRY)
    return [key for name in names for key in queue.keys(name + "*")] + queue.zrange(
        keys.queue("grow"), 0, -1
    )


async def killed_during(gateway: Gateway, size: int, ms: float, number: int) -> list[str]:
    """Send so much of ``number`` requests, kill the gateway; the ids that were acknowledged."""
    streams = [await connect(gateway) for _ in range(number)]
    for _, writer in streams:
        writer.write(REQUEST[:size])
    await asyncio.sleep(ms / 1000)
    gateway.process.kill()
    acknowledged = []
    for reader, writer in streams:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            answer = await asyncio.wait_for(read_answer(reader, 0), 10)
            if answer.status == 200:
                acknowledged.append(answer.json["id"])
        writer.transport.abort()
    await asyncio.to_thread(gateway.process.wait)
    return acknowledged
