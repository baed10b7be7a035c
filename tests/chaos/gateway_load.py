"""Row 21: very many creates at once. Row 11: clients that go while they are waited for."""

import asyncio
import time
from collections import Counter

import orjson
from redis import Redis

from tests.chaos.gateway_figures import (
    Answer,
    Figures,
    cluster_of_its_own,
    connect,
    create,
    ended,
    head,
    latencies,
    memory_mib,
    open_files,
    read_answer,
    violations,
)
from tests.integration.app.cluster import Gateway
from tests.waiting import eventually
from workers.queue import keys

ALLOWED = {200, 429, 503}


async def concurrent_creates(number: int = 10_000, workers: int = 2) -> Figures:
    """That many clients have connected; now each creates a job, all at once."""
    with cluster_of_its_own() as cluster:
        gateway = cluster.add_gateway(MAX_CONNECTIONS=number + 100, REQUEST_READ_SECONDS=120)
        for _ in range(workers):
            cluster.add_worker()
        cluster.wait_ready()
        streams = await connections(gateway, number)
        began = time.monotonic()
        answers = await asyncio.gather(*(create_on(*both, n) for n, both in enumerate(streams)))
        took = time.monotonic() - began
        statuses = Counter(answer.status for answer in answers)
        ids = [answer.json["id"] for answer in answers if answer.status == 200]
        states = Counter(await final_states(gateway, ids))
        executed = await executions(gateway)
        return Figures(
            "21", f"{number} concurrent creates",
            "all 2xx, 429 or 503; accepted = executed",
            {**latencies(answers), **{f"status_{s}": n for s, n in statuses.items()},
             "accepted": len(ids), "executed": executed, "creates_per_s": len(ids) / took},
            violations(
                every_one_answered=set(statuses) <= ALLOWED,
                ids_differ=len(set(ids)) == len(ids),
                accepted_are_executed=states == {"SUCCESS": len(ids)} and executed == len(ids),
            ),
        )  # fmt: skip


async def final_states(gateway: Gateway, ids: list[str]) -> list[str]:
    """The state of each job, asked for one after the other once all should have ended."""
    async with gateway.async_client() as client:
        answers = [await client.get(f"/check/{i}", params={"wait": 20}) for i in reversed(ids)]
    return [answer.json()["state"] for answer in answers]


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connections(gateway: Gateway, number: int) -> list[Streams]:
    """Connections, not made all at once: handshakes take the client's time as well."""
    limit = asyncio.Semaphore(100)

    async def one() -> Streams:
        async with limit:
            return await connect(gateway)

    return await asyncio.gather(*(one() for _ in range(number)))


async def create_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
) -> Answer:
    """Create a job over an open connection."""
    began = time.monotonic()
    body = orjson.dumps({"text": f"{number}"})
    try:
        writer.write(head("POST", "/create/grow", len(body)) + body)
        return await asyncio.wait_for(read_answer(reader, began), 60)
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return Answer(0, {}, b"", time.monotonic() - began)
    finally:
        writer.transport.abort()


async def executions(gateway: Gateway) -> int:
    """How many jobs have succeeded, by the counters."""
    with gateway.client() as client:
        status = client.get("/status_info").json()["task_info_grow"]["status_to_amount"]
    return int(status.get("SUCCESS", 0))


# Fewer than 1500 connections would take that are kept: five rounds.
MORE_MIB = 64


def growth(memories: list[float]) -> float:
    """MiB from the middle third of the looks to the last; 0 if there are too few to tell.

    At first the allocator keeps some, and each look comes at another moment of what goes on.
    """
    third = len(memories) // 3
    return min(memories[-third:]) - min(memories[third:-third]) if third > 1 else 0.0


async def clients_that_go(number: int = 300, rounds: int = 15) -> Figures:
    """Clients close during run, wait and download; the gateway is as before, results are there."""
    with cluster_of_its_own() as cluster:
        gateway = cluster.add_gateway()
        cluster.add_worker(WORKER_CONCURRENCY=2)
        cluster.wait_ready()
        (cluster.files / "large").write_bytes(b"x" * 2**26)
        pid = gateway.process.pid
        files, memories, ids = open_files(pid), [], []
        for _ in range(rounds):
            held = (await create(gateway, kind="sleep", size=1500)).json["id"]
            ids.append(held)
            streams = []
            for n in range(number):
                reader, writer = await connect(gateway)
                match n % 3:
                    case 0:
                        body = orjson.dumps({"kind": "sleep", "size": 1})
                        writer.write(head("POST", "/run/grow", len(body)) + body)
                    case 1:
                        writer.write(head("GET", f"/check/{held}?wait=60", 0))
                    case 2:
                        writer.write(head("GET", "/download?file_name=large", 0))
                        await reader.read(1000)
                streams.append(writer)
            await asyncio.sleep(0.2)
            for writer in streams:
                writer.transport.abort()
            await eventually(lambda: open_files(pid) <= files + 3, within=20)
            memories.append(memory_mib(pid))
        records = [await ended(gateway, job_id) for job_id in ids]
        with Redis.from_url(cluster.queue.url) as queue:
            await eventually(lambda: not queue.keys(keys.META + "*"), within=60)
            channels = dict(queue.pubsub_numsub(*queue.pubsub_channels("*")))
        grown = growth(memories)
        return Figures(
            "11", f"{rounds} times {number} clients gone during run, wait and download",
            "no leaked waiter; results stay readable",
            {"files_left": open_files(pid) - files, "memory_mib_first": memories[0],
             "memory_mib_last": memories[-1], "channels": len(channels)},
            violations(
                no_file_left=open_files(pid) <= files + 3,
                memory_is_even=grown <= MORE_MIB,
                one_subscription_a_process=max(channels.values(), default=0) <= 1,
                results_are_readable=all(r["state"] == "SUCCESS" for r in records),
            ),
        )  # fmt: skip
