"""Row 9: the API is killed at every step of a create. Row 10: answers are lost, clients repeat."""

import asyncio
import contextlib
import time
from collections import Counter
from itertools import chain
from typing import Any

from redis import Redis

from tests.chaos.gateway_figures import (
    Answer,
    Figures,
    ask,
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
LENGTH = len(HEAD) + len(BODY)
# How much of the request is sent, and how many ms later the process is killed.
STEPS: list[tuple[int, float]] = [(0, 0), (10, 0), (len(HEAD), 0), (len(HEAD) + 5, 1)]
STEPS += [(LENGTH, ms) for ms in (0, 0.3, 0.6, 1, 1.3, 1.6, 2, 2.5, 3, 4, 5, 6, 8, 10, 15)]


async def killed_gateways(rounds: int = 4, at_once: int = 4, keyed: bool = False) -> Figures:
    """Each step ``rounds`` times; a few creates are under way in each gateway when it is killed.

    With ``keyed`` each has an Idempotency-Key, and is repeated elsewhere after the kill.
    """
    acknowledged: dict[str, str] = {}
    repeated: dict[str, str] = {}
    with cluster_of_its_own() as cluster:
        cluster.add_worker()
        last = cluster.add_gateway()
        cluster.wait_ready()
        kills = STEPS * rounds
        number = 0
        while number < len(kills):
            gateways = [cluster.add_gateway() for _ in range(min(4, len(kills) - number))]
            for gateway in gateways:
                await asyncio.to_thread(gateway.wait_ready)
                await ask(gateway, "GET", "/check/warm-up")
                size, ms = kills[number]
                names = [f"{number}-{n}" for n in range(at_once)]
                acknowledged |= await killed_during(gateway, size, ms, names, keyed)
                if keyed:
                    again = {name: await repeat(last, name) for name in names}
                    repeated |= {name: a.json["id"] for name, a in again.items()}
                number += 1
        ids = {*acknowledged.values(), *repeated.values()}
        states = Counter([(await ended(last, job_id)).get("state") for job_id in ids])
        executed, settled = await executions(cluster.queue.url)
        sent = len(kills) * at_once
        return Figures(
            "9", f"a gateway killed {len(kills)} times at {len(STEPS)} steps of a create"
            + (", repeated with its key" if keyed else ""),
            "unknown everywhere or executed" + ("; same key, same id" if keyed else ""),
            {"sent": sent, "acknowledged": len(acknowledged), "executed": executed,
             "settled_s": settled},
            violations(
                all_that_are_known_are_executed=set(states) <= {"SUCCESS"},
                none_executed_twice=len(ids) <= executed <= sent,
                same_key_same_id=not keyed
                or (executed == sent and acknowledged.items() <= repeated.items()),
            ),
        )  # fmt: skip


async def lost_answers(number: int = 1000) -> Figures:
    """A client with a key closes at some moment of its create, and repeats until it hears."""
    with cluster_of_its_own() as cluster:
        gateways = [cluster.add_gateway() for _ in range(2)]
        cluster.add_worker()
        cluster.wait_ready()
        limit = asyncio.Semaphore(10)

        async def one(n: int) -> set[str]:
            async with limit:
                _, writer = await connect(gateways[0])
                writer.write(request(f"lost-{n}"))
                await asyncio.sleep(n % 40 / 10_000)
                writer.transport.abort()
                answers = [await repeat(gateways[k], f"lost-{n}") for k in (1, 0)]
                return {answer.json["id"] for answer in answers}

        ids = await asyncio.gather(*map(one, range(number)))
        states = [(await ended(gateways[0], i)).get("state") for i in set().union(*ids)]
        executed, settled = await executions(cluster.queue.url)
        return Figures(
            "10", f"{number} answers lost, requests repeated with their key", "one execution each",
            {"keys": number, "executed": executed, "settled_s": settled},
            violations(
                one_id_a_key=all(len(some) == 1 for some in ids),
                one_execution_a_key=executed == number,
                all_succeed=set(states) == {"SUCCESS"},
            ),
        )  # fmt: skip


def request(name: str) -> bytes:
    """A create with an Idempotency-Key."""
    return head("POST", "/create/grow", len(BODY), Idempotency_Key=name) + BODY


async def repeat(gateway: Gateway, name: str) -> Answer:
    """The create of that key, once more."""
    answer = await ask(gateway, "POST", "/create/grow", BODY, Idempotency_Key=name)
    assert answer.status == 200, answer
    return answer


async def executions(queue_url: str) -> tuple[int, float]:
    """How many jobs were executed when nothing is under way any more, and how long that took."""
    began = time.monotonic()
    with Redis.from_url(queue_url) as queue:
        await eventually(lambda: not left_over(queue), within=30)
        return len(queue.keys(keys.RESULT + "*")), time.monotonic() - began


def left_over(queue: Redis) -> list[bytes]:
    """What belongs to jobs that have not ended."""
    names = (keys.JOB, keys.META, keys.IN_PROGRESS)
    waiting: Any = queue.zrange(keys.queue("grow"), 0, -1)
    return [*chain.from_iterable(queue.keys(name + "*") for name in names), *waiting]


async def killed_during(
    gateway: Gateway, size: int, ms: float, names: list[str], keyed: bool
) -> dict[str, str]:
    """Send so much of each request, kill the gateway; the ids that were acknowledged."""
    streams = {name: await connect(gateway) for name in names}
    for name, (_, writer) in streams.items():
        whole = request(name) if keyed else HEAD + BODY
        writer.write(whole if size == LENGTH else whole[:size])
    await asyncio.sleep(ms / 1000)
    gateway.process.kill()
    acknowledged = {}
    for name, (reader, writer) in streams.items():
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            answer = await asyncio.wait_for(read_answer(reader, 0), 10)
            if answer.status == 200:
                acknowledged[name] = answer.json["id"]
        writer.transport.abort()
    await asyncio.to_thread(gateway.process.wait)
    return acknowledged
