"""Row 23: uploads that are cut, slow, too large, empty, or of the same name at once."""

import asyncio
import contextlib
import os
from collections import Counter
from pathlib import Path

from tests.chaos.gateway_bodies import form, upload
from tests.chaos.gateway_figures import (
    Figures,
    cluster_of_its_own,
    connect,
    head,
    latencies,
    memory_mib,
    open_files,
    read_answer,
    violations,
)
from tests.integration.app.cluster import Gateway
from tests.waiting import eventually

MIB = 2**20
TYPE = "multipart/form-data; boundary=x"


async def bad_uploads(number: int = 100, large_mib: int = 64, read_seconds: float = 3) -> Figures:
    """All kinds at once; afterwards there is what was acknowledged and nothing else."""
    content = os.urandom(MIB)
    with cluster_of_its_own() as cluster:
        gateway = cluster.add_gateway(
            MAX_UPLOAD_BYTES=large_mib * MIB, REQUEST_READ_SECONDS=read_seconds
        )
        cluster.wait_ready()
        pid = gateway.process.pid
        files = open_files(pid)
        cut = asyncio.gather(*(cut_after(gateway, content, n / number) for n in range(number)))
        slow = asyncio.gather(*(stops(gateway, content) for _ in range(number // 10)))
        same = await asyncio.gather(*(upload(gateway, "same", content) for _ in range(number)))
        empty = [await upload(gateway, "empty", b"") for _ in range(5)]
        over = [await upload(gateway, "over", b"x" * large_mib * MIB) for _ in range(2)]
        await cut
        slow_statuses = Counter(await slow)
        most_memory = memory_mib(pid)
        await eventually(lambda: open_files(pid) <= files + 3, within=20)
        incoming = gateway.folder / "incoming"
        with contextlib.suppress(AssertionError):  # else it is a violation
            await eventually(lambda: not any(incoming.iterdir()), within=20)
        stored = [a.json["file_name"] for a in (*same, *empty) if a.status == 200]
        there = {p.name for p in cluster.files.iterdir() if p.is_file()}
        return Figures(
            "23", f"{number} uploads cut, {number} of one name, slow, empty and too large",
            "never downloadable, no remains",
            {**latencies(same), "stored": len(stored), "memory_mib": most_memory,
             "over_size_413": [a.status for a in over].count(413),
             "slow_408": slow_statuses[408]},
            violations(
                same_name_all_kept=len(set(stored)) == number + 5,
                whole=all(is_whole(cluster.files / name, content) for name in stored),
                nothing_else=there == set(stored),
                no_remains=not any(incoming.iterdir()),
                over_size_refused={a.status for a in over} <= {413, 0},
                slow_let_go=set(slow_statuses) <= {408, 0},
            ),
        )  # fmt: skip


def is_whole(path: Path, content: bytes) -> bool:
    return path.read_bytes() == (b"" if path.name.endswith("_empty") else content)


async def cut_after(gateway: Gateway, content: bytes, part: float) -> None:
    """Send that part of an upload and close."""
    _, writer = await connect(gateway)
    body = form("cut", content)
    writer.write(head("POST", "/upload", len(body), Content_Type=TYPE))
    writer.write(body[: int(part * len(body))])
    await writer.drain()
    writer.transport.abort()


async def stops(gateway: Gateway, content: bytes) -> int:
    """Send half of an upload and wait to be let go; the status of the answer, 0 for none."""
    reader, writer = await connect(gateway)
    body = form("slow", content)
    writer.write(head("POST", "/upload", len(body), Content_Type=TYPE) + body[: len(body) // 2])
    try:
        return (await asyncio.wait_for(read_answer(reader, 0), 30)).status
    except (OSError, asyncio.IncompleteReadError):
        return 0
    finally:
        writer.transport.abort()
