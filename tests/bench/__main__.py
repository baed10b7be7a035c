"""``make bench``: what a node on this machine carries, over HTTPS, durability on, auth off.

Each figure is the median of three rounds, each on a fresh node with two slots and two API
processes. The client runs on the same machine and takes its share of it.
"""

import asyncio
import json
import os
import statistics
import sys
from collections import defaultdict

import uvloop

from tests.bench.client import Client, repeated
from tests.bench.node import running_node

ROUNDS = 3
CONNECTIONS = 32
JOBS = 2000
SINGLES = 300

Figures = dict[str, float]


def main() -> None:
    """Run all rounds and print the table."""
    rounds = []
    for number in range(1, ROUNDS + 1):
        sys.stderr.write(f"round {number} of {ROUNDS} ...\n")
        with running_node() as client:
            rounds.append(uvloop.run(_round(client)))
    sys.stdout.write(_table(rounds) + "\n")


async def _round(client: Client) -> Figures:
    await client.load(repeated(_run, 50), 4)  # warm
    return {
        **await _create_and_read_all(client),
        **await _idle_latency(client),
        **await _run_latency(client),
    }


async def _create_and_read_all(client: Client) -> Figures:
    """Create jobs while they are being run, then read every result, then read them all again."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    created = await client.load(repeated(_create, JOBS), CONNECTIONS)
    ids = [json.loads(body)["id"] for body in created.bodies]
    read = await client.load((_check(i, 60) for i in ids), CONNECTIONS)
    seconds = loop.time() - began
    states = {json.loads(body)["state"] for body in read.bodies}
    assert states == {"SUCCESS"}, states
    checked = await client.load((_check(i, 0) for i in ids), CONNECTIONS)
    return {
        f"create, {CONNECTIONS} connections, jobs being run (1/s)": created.rate,
        "create to all results read (jobs/s)": JOBS / seconds,
        f"check, {CONNECTIONS} connections (1/s)": checked.rate,
    }


async def _idle_latency(client: Client) -> Figures:
    """Create a job on an idle node and wait for its end by `check` with `wait=`."""
    latencies = []
    for number in range(SINGLES):
        created = await client.load([_create(number)], 1)
        job_id = json.loads(created.bodies[0])["id"]
        ended = await client.load([_check(job_id, 10)], 1)
        latencies.append(1000 * (created.latencies[0] + ended.latencies[0]))
    ordered = sorted(latencies)
    return {
        "create, then check with wait=, p50 (ms)": statistics.median(ordered),
        "create, then check with wait=, p99 (ms)": ordered[int(0.99 * SINGLES)],
    }


async def _run_latency(client: Client) -> Figures:
    alone = await client.load(repeated(_run, SINGLES), 1)
    together = await client.load(repeated(_run, JOBS), CONNECTIONS)
    return {
        "run, one at a time, p50 (ms)": alone.percentile(0.5),
        f"run, {CONNECTIONS} connections (1/s)": together.rate,
    }


def _run(number: int) -> tuple[str, str, bytes]:
    return "POST", "/run/noop", b'{"number": %d}' % number


def _create(number: int) -> tuple[str, str, bytes]:
    return "POST", "/create/noop", b'{"number": %d}' % number


def _check(job_id: str, wait: int) -> tuple[str, str, bytes]:
    return "GET", f"/check/{job_id}?wait={wait}", b""


def _table(rounds: list[Figures]) -> str:
    figures: dict[str, list[float]] = defaultdict(list)
    for one in rounds:
        for name, value in one.items():
            figures[name].append(value)
    rows = [
        f"| {name} | {statistics.median(values):,.1f} | {min(values):,.1f} | {max(values):,.1f} |"
        for name, values in figures.items()
    ]
    head = [f"{os.cpu_count()} cores, {ROUNDS} rounds", "", "| what | median | min | max |"]
    return "\n".join([*head, "|---|---:|---:|---:|", *rows])


if __name__ == "__main__":
    main()
