"""Rows 20 and 28: parameters, results, errors and output that are far too large."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import orjson

from tests.chaos.gateway_figures import (
    Answer,
    Figures,
    ask,
    cluster_of_its_own,
    create,
    ended,
    memory_mib,
    violations,
)
from tests.integration.app.cluster import Gateway, Worker

MIB = 2**20
REFUSED = {413, 422}


def bodies(sizes: tuple[int, ...]) -> dict[str, bytes]:
    """Parameters of every kind that should be delivered or refused."""
    nested = b'{"value": ' + b"[" * 10_000 + b"]" * 10_000 + b"}"
    return {
        **{f"params_{size}_mib": b'{"text": "%s"}' % (b"x" * size * MIB) for size in sizes},
        "params_depth_190": b'{"value": ' + b"[" * 190 + b"]" * 190 + b"}",
        "params_depth_10000": nested,
        "params_million_elements": b'{"value": [' + b"1," * 999_999 + b"1]}",
        "params_million_names": orjson.dumps({"value": {str(n): n for n in range(1_000_000)}}),
    }


async def large_params(sizes: tuple[int, ...] = (1, 10, 64, 256)) -> Figures:
    """Delivered and run, or refused with 413 or 422; the gateway's memory comes back."""
    with cluster_of_its_own() as cluster:
        gateway = cluster.add_gateway()
        cluster.add_worker()
        cluster.wait_ready()
        numbers: dict[str, float] = {"memory_mib_before": memory_mib(gateway.process.pid)}
        hung: list[str] = []
        for name, body in bodies(sizes).items():
            answer = await ask(gateway, "POST", "/create/grow", body)
            numbers[f"{name}_status"] = answer.status
            numbers[f"{name}_s"] = answer.seconds
            if not await is_delivered_or_refused(gateway, answer):
                hung.append(f"{name}: {answer.status}")
        numbers["memory_mib_after"] = memory_mib(gateway.process.pid)
        return Figures("20", "large parameters", "413 or 422, or delivered; no job hangs",
                       numbers, tuple(hung))  # fmt: skip


async def is_delivered_or_refused(gateway: Gateway, answer: Answer) -> bool:
    if answer.status != 200:
        return answer.status in REFUSED and set(answer.json) == {"detail"}
    return bool((await ended(gateway, answer.json["id"]))["state"] == "SUCCESS")


async def large_results(
    sizes: tuple[int, ...] = (1, 10, 64, 256), most: int = 64 * MIB, million: int = 1_000_000
) -> Figures:
    """Delivered whole, or FAILURE that names MAX_RESULT_BYTES or the reason."""
    kinds = [("text", size * MIB) for size in sizes]
    kinds += [("deep", 100), ("deep", 10_000), ("many", million), ("names", million)]
    with cluster_of_its_own() as cluster:
        gateway = cluster.add_gateway()
        worker = cluster.add_worker(MAX_RESULT_BYTES=most)
        cluster.wait_ready()
        numbers: dict[str, float] = {"worker_mib_before": memory_mib(worker.process.pid)}
        wrong: list[str] = []
        for kind, size in kinds:
            began = time.monotonic()
            job = (await create(gateway, kind=kind, size=size)).json["id"]
            record = await ended(gateway, job, within=60)
            name = f"{kind}_{size // MIB}_mib" if kind == "text" else f"{kind}_{size}"
            numbers[f"{name}_s"] = time.monotonic() - began
            numbers[f"{name}_delivered"] = record.get("state") == "SUCCESS"
            if not is_whole_or_explained(record, kind, size, most):
                wrong.append(f"{name}: {record.get('state')} {str(record.get('result'))[:100]}")
        numbers["worker_mib_after"] = memory_mib(worker.process.pid)
        numbers["gateway_mib_after"] = memory_mib(gateway.process.pid)
        return Figures("20", "large results", "delivered, or FAILURE that says why; no job hangs",
                       numbers, tuple(wrong))  # fmt: skip


def is_whole_or_explained(record: dict[str, Any], kind: str, size: int, most: int) -> bool:
    if record.get("state") == "SUCCESS":
        return kind != "text" or len(record["result"]["value"]) == size
    explained = "MAX_RESULT_BYTES" in record["result"] or "cannot be written" in record["result"]
    return record.get("state") == "FAILURE" and (explained if size > most else size > 100)


HOSTILE = {
    "ten_mb_traceback": ("fail", 10 * MIB),
    "deep_traceback": ("fail_deep", 5000),
    "one_gb_in_lines": ("print_and_fail", 2**30),
    "one_gb_in_one_line": ("print_one_line_and_fail", 2**30),
}


async def hostile_outcomes(scale: float = 1.0) -> Figures:
    """Each ends as FAILURE with a capped text, and the worker takes the next job at once."""
    with cluster_of_its_own() as cluster:
        gateway = cluster.add_gateway()
        worker = cluster.add_worker(WORKER_CONCURRENCY=2)
        cluster.wait_ready()
        numbers: dict[str, float] = {"worker_mib_before": memory_mib(worker.process.pid)}
        wrong: list[str] = []
        late: list[str] = []
        for name, (kind, size) in HOSTILE.items():
            began = time.monotonic()
            job = (await create(gateway, kind=kind, size=int(size * scale))).json["id"]
            beside = await beside_it(gateway)
            record = await ended(gateway, job)
            numbers[f"{name}_s"] = time.monotonic() - began
            numbers[f"{name}_neighbour_s"] = beside
            if record.get("state") != "FAILURE" or len(record["result"]) > 300_000:
                wrong.append(f"{name}: {record.get('state')}")
            if beside > 2:
                late.append(f"{name}: {beside:.1f} s beside it")
        numbers["worker_mib_after"] = memory_mib(worker.process.pid)
        wrong += violations(worker_alive=is_alive(worker))
        return Figures("28", "hostile outcomes", "FAILURE <= 2 s, text capped, worker alive",
                       numbers, tuple(wrong), tuple(late))  # fmt: skip


async def beside_it(gateway: Gateway) -> float:
    """How long another job of the same worker takes, in seconds."""
    began = time.monotonic()
    answer = await ask(gateway, "POST", "/run/grow", b"{}")
    assert answer.status == 200, answer
    return time.monotonic() - began


def is_alive(worker: Worker) -> bool:
    return worker.process.poll() is None


async def large_over_a_slow_line(mib: int = 8, bytes_per_second: int = MIB) -> Figures:
    """A worker behind a slow line: a large result, small jobs after it, large parameters."""
    with cluster_of_its_own() as cluster:
        async with slow_line(str(cluster.queue.socket), bytes_per_second) as port:
            gateway = cluster.add_gateway()
            worker = cluster.add_worker(TASK_QUEUE_URL=f"redis://127.0.0.1:{port}")
            await asyncio.to_thread(cluster.wait_ready)
            orders: dict[str, dict[str, Any]] = {
                "large_result": {"size": mib * MIB},
                "small_after_it": {},
                "large_params": {"text": "x" * mib * MIB},
            }
            numbers: dict[str, float] = {}
            wrong: list[str] = []
            for name, params in orders.items():
                began = time.monotonic()
                job = (await create(gateway, **params)).json["id"]
                record = await ended(gateway, job, within=6 * mib * MIB / bytes_per_second)
                numbers[f"{name}_s"] = time.monotonic() - began
                if record.get("state") != "SUCCESS":
                    wrong.append(f"{name}: {record.get('state')}")
            numbers["unanswered_calls"] = worker.log.count("no answer within")
        return Figures("20", f"{mib} MiB at {bytes_per_second} bytes/s", "delivered; nobody waits",
                       numbers, tuple(wrong))  # fmt: skip


@contextlib.asynccontextmanager
async def slow_line(unix_socket: str, bytes_per_second: int) -> AsyncIterator[int]:
    """A port that leads to a unix socket, slowly."""
    carrying: set[asyncio.Task[None]] = set()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(16 * 1024):
                writer.write(chunk)
                await writer.drain()
                await asyncio.sleep(len(chunk) / bytes_per_second)
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(unix_socket)
        for one in (carry(reader, far_writer), carry(far_reader, writer)):
            carrying.add(asyncio.create_task(one))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for one in carrying:
            one.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)
