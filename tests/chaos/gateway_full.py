"""Rows 18 and 19: a disk or a queue server that is full, until there is room again."""

import asyncio
import contextlib
import os
import subprocess
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from redis import Redis

from tests.chaos.gateway_bodies import upload
from tests.chaos.gateway_figures import (
    Answer,
    Figures,
    ask,
    cluster_of_its_own,
    create,
    ended,
    violations,
)
from tests.integration.app.cluster import Gateway
from tests.waiting import eventually

MIB = 2**20


@contextlib.contextmanager
def small_disk(folder: Path, mib: int) -> Iterator[None]:
    """``folder`` on a disk of its own; needs root."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "none", str(folder)]
    subprocess.run(command, check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Take all the room there is; the file that takes it."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    return ballast


async def full_disk_under_uploads(uploads: int = 40, mib: int = 16) -> Figures:
    """Uploads of 1 MiB, eight at a time, until long after the disk is full; then room again."""
    content = os.urandom(MIB)
    with cluster_of_its_own() as cluster, small_disk(cluster.files, mib):
        gateway = cluster.add_gateway()
        cluster.wait_ready()
        limit = asyncio.Semaphore(8)

        async def one(n: int) -> Answer:
            async with limit:
                return await upload(gateway, f"{n}", content)

        answers = await asyncio.gather(*map(one, range(uploads)))
        stored = [a.json["file_name"] for a in answers if a.status == 200]
        files = {p.name for p in cluster.files.iterdir() if p.is_file()}
        whole = all((cluster.files / name).read_bytes() == content for name in stored)
        health = (await ask(gateway, "GET", "/healthz")).status
        for name in stored[:3]:
            (cluster.files / name).unlink()
        again = await one(0)
        statuses = Counter(answer.status for answer in answers)
        return Figures(
            "18", f"{uploads} MiB of uploads on a disk of {mib} MiB",
            "507, no partial file, nothing acknowledged lost, recovers by itself",
            {**{f"status_{s}": n for s, n in statuses.items()}, "stored": len(stored)},
            violations(
                only_200_and_507=set(statuses) == {200, 507},
                nothing_but_whole_files=files == set(stored) and whole,
                nothing_left=list((gateway.folder / "incoming").iterdir()) == [],
                goes_on=health == 200,
                recovers=again.status == 200,
            ),
        )  # fmt: skip


async def full_disk_under_the_queue(mib: int = 24) -> Figures:
    """The disk of the append-only file fills up while jobs are created and run."""
    with cluster_of_its_own() as cluster:
        cluster.queue.kill()
        with small_disk(cluster.queue.folder, mib):
            cluster.queue.start()
            gateway = cluster.add_gateway()
            cluster.add_worker()
            cluster.wait_ready()
            running = (await create(gateway, kind="sleep", size=3000)).json["id"]
            ballast: list[Path] = []

            def make_room() -> None:
                ballast.pop().unlink()

            figures = await refused_for_a_while(
                gateway, running, lambda: ballast.append(fill(cluster.queue.folder)), make_room
            )
            cluster.queue.kill()
            cluster.queue.start()
            return await checked(gateway, "18", "the append-only file's disk is full", *figures,
                                 delivers_at_once=False)  # fmt: skip


async def full_queue_server(mib: int = 1) -> Figures:
    """The queue server reaches its memory limit while jobs are created and run."""
    with cluster_of_its_own() as cluster, Redis.from_url(cluster.queue.url) as queue:
        gateway = cluster.add_gateway()
        cluster.add_worker()
        cluster.wait_ready()
        running = (await create(gateway, kind="sleep", size=3000)).json["id"]
        figures = await refused_for_a_while(
            gateway, running,
            lambda: queue.config_set("maxmemory", f"{mib}mb"),
            lambda: queue.config_set("maxmemory", "0"),
        )  # fmt: skip
        return await checked(gateway, "19", "the queue server is at its memory limit", *figures,
                             delivers_at_once=True)  # fmt: skip


Measured = tuple[list[Answer], list[str], float, float]


async def refused_for_a_while(
    gateway: Gateway, running: str, fault: Callable[[], object], end: Callable[[], object]
) -> Measured:
    """Creates before, during and after; the ids that were acknowledged, and how soon what came."""
    acknowledged = [running]

    async def creates(number: int) -> list[Answer]:
        answers = [await create(gateway, text="x" * 2000, kind="sleep", size=20)
                   for _ in range(number)]  # fmt: skip
        acknowledged.extend(a.json["id"] for a in answers if a.status == 200)
        return answers

    await creates(20)
    fault()
    during = await creates(100)
    began = time.monotonic()
    delivered = float("inf")
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(6):
            await until(lambda: has_ended(gateway, running))
            delivered = time.monotonic() - began
    during += await creates(5)
    end()
    began = time.monotonic()
    await until(lambda: takes_jobs(gateway))
    return during, acknowledged, delivered, time.monotonic() - began


async def until(probe: Callable[[], Awaitable[bool]]) -> None:
    await eventually(probe, within=30)


async def has_ended(gateway: Gateway, job_id: str) -> bool:
    answer = await ask(gateway, "GET", f"/check/{job_id}")
    return answer.status == 200 and answer.json["state"] == "SUCCESS"


async def takes_jobs(gateway: Gateway) -> bool:
    return (await create(gateway)).status == 200


async def checked(
    gateway: Gateway, fault: str, name: str, during: list[Answer], acknowledged: list[str],
    delivered: float, recovered: float, *, delivers_at_once: bool,
) -> Figures:  # fmt: skip
    """What was acknowledged has ended well; the rest was refused with 503 and when to come back."""
    records = [await ended(gateway, job_id, within=20) for job_id in acknowledged]
    lost = [r for r in records if r.get("state") != "SUCCESS"]
    statuses = Counter(answer.status for answer in during)
    deliver = "still deliver" if delivers_at_once else "deliver when there is room again"
    return Figures(
        fault, name, f"create 503; running jobs {deliver}; nothing acknowledged lost",
        {**{f"status_{s}": n for s, n in statuses.items()}, "acknowledged": len(acknowledged),
         "lost": len(lost), "delivered_s": delivered, "recovered_s": recovered},
        violations(
            refused_with_503=set(statuses) <= {200, 503} and during[-1].status == 503,
            says_when=all("retry-after" in a.headers for a in during if a.status == 503),
            nothing_lost=not lost,
            running_job_delivers=not delivers_at_once or delivered < 6,
        ),
    )  # fmt: skip
