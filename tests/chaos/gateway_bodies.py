"""Row 27: bodies that are no JSON, or that no JSON should be. Row 24: names that lead out."""

import asyncio
import gzip
import random
import urllib.parse
from collections import Counter

from tests.chaos.gateway_figures import (
    Answer,
    Figures,
    ask,
    cluster_of_its_own,
    latencies,
    violations,
)
from tests.integration.app.cluster import Gateway
from tests.integration.app.test_strict_json import BODIES

PIECES = ["..", ".", "/", "//", "\\", "%2e%2e", "%2f", "%00", "\0", "\n", "fasttask", "fasttaskX",
          "link", "secret", "etc", "passwd", "é", "文", "😀", "\u202e", "\u200b", "~", "a" * 300,
          "%252e", "..;", "C:", "\ufeff", " ", "conf", "files", "file://", "\x7f"]  # fmt: skip
SECRET = b"what nobody may read"


async def bad_bodies(times: int = 20) -> Figures:
    """Each of the bad bodies many times, one after the other."""
    bomb = gzip.compress(b'{"text": "%s"}' % (b" " * 2**28))
    with cluster_of_its_own() as cluster:
        gateway = cluster.add_gateway()
        cluster.wait_ready()
        answers: dict[str, list[Answer]] = {}
        for _ in range(times):
            for name, body in BODIES.items():
                body = body.replace(b'"how"', b'"kind"')
                answers.setdefault(name, []).append(
                    await ask(gateway, "POST", "/create/grow", body)
                )
            answers.setdefault("gzip bomb", []).append(
                await ask(gateway, "POST", "/create/grow", bomb, Content_Encoding="gzip")
            )
            answers.setdefault("wrong type", []).append(
                await ask(gateway, "POST", "/create/grow", b"{}", Content_Type="image/png")
            )
        every = [answer for some in answers.values() for answer in some]
        accepted = [n for n, some in answers.items() if {a.status // 100 for a in some} != {4}]
        slow = [
            n for n, some in answers.items() if sorted(a.seconds for a in some)[times // 2] > 0.1
        ]
        statuses = Counter(answer.status for answer in every)
        return Figures(
            "27", f"{len(answers)} kinds of bad bodies, {times} times", "4xx JSON <= 100 ms",
            {**latencies(every), **{f"status_{s}": n for s, n in statuses.items()}},
            (
                *(f"accepted: {name}" for name in accepted),
                *violations(all_json=all(set(a.json or {}) == {"detail"} for a in every)),
            ),
            late=tuple(f"slow: {name}" for name in slow),
        )  # fmt: skip


def seconds(answers: list[Answer]) -> list[float]:
    return [answer.seconds for answer in answers]


async def fuzzed_names(number: int = 10_000, seed: int = 1) -> Figures:
    """Names made of all that leads out elsewhere, asked for with /download and given to /upload."""
    dice = random.Random(seed)
    with cluster_of_its_own() as cluster:
        gateway = cluster.add_gateway()
        cluster.wait_ready()
        (cluster.folder / "secret").write_bytes(SECRET)
        (gateway.folder / "secret").write_bytes(SECRET)
        (cluster.files / "link").symlink_to(cluster.folder)
        (cluster.files / "fasttaskX").mkdir()
        before = {p for p in cluster.folder.rglob("*") if not p.is_relative_to(cluster.files)}
        limit = asyncio.Semaphore(20)

        async def one(n: int) -> Answer:
            name = "".join(dice.choice(PIECES) for _ in range(dice.randint(1, 8)))
            async with limit:
                return await (upload if n % 2 else download)(gateway, name)

        answers = await asyncio.gather(*map(one, range(number)))
        after = {p for p in cluster.folder.rglob("*") if not p.is_relative_to(cluster.files)}
        inside = [p for p in gateway.folder.rglob("*") if "_" in p.name and p.is_file()]
        statuses = Counter(answer.status for answer in answers)
        return Figures(
            "24", f"{number} fuzzed names", "nothing outside",
            {**latencies(answers), **{f"status_{s}": n for s, n in statuses.items()}},
            violations(
                no_secret_told=not any(SECRET in a.body for a in answers),
                nothing_outside=before == after,
                nothing_in_our_folder=[p for p in inside if p.name != "user_to_passwd.json"] == [],
                no_500=set(statuses) <= {200, 400, 403, 404, 422},
            ),
        )  # fmt: skip


async def download(gateway: Gateway, name: str) -> Answer:
    quoted = urllib.parse.quote(name, safe="")
    return await ask(gateway, "GET", f"/download?file_name={quoted}")


async def upload(gateway: Gateway, name: str, content: bytes = b"x") -> Answer:
    return await ask(gateway, "POST", "/upload", form(name, content),
                     Content_Type="multipart/form-data; boundary=x")  # fmt: skip


def form(name: str, content: bytes) -> bytes:
    """A multipart form whose name is put in as it is, but for what would end it."""
    shown = name.replace('"', "").replace("\r", "").encode()
    disposition = b'Content-Disposition: form-data; name="file"; filename="%s"' % shown
    return b"--x\r\n%s\r\n\r\n%s\r\n--x--\r\n" % (disposition, content)
