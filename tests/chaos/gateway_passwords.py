"""Row 26: somebody guesses passwords."""

import asyncio
import base64
from collections import Counter

from tests.chaos.gateway_figures import (
    Answer,
    Figures,
    ask,
    cluster_of_its_own,
    honest_clients,
    latencies,
    percentile,
    violations,
)
from tests.integration.app.cluster import Gateway
from tests.waiting import eventually


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


async def wrong_passwords(guesses: int = 1000, timed: int = 90) -> Figures:
    """Guesses from one address at one user; honest clients of that user at another address."""
    with cluster_of_its_own() as cluster:
        gateway = cluster.add_gateway()
        gateway.users_file.write_text('{"ann": "right", "bob": "too"}')
        cluster.wait_ready()

        async def request(name: str, password: str, address: str) -> Answer:
            return await ask(gateway, "GET", "/healthz", address=address,
                             Authorization=basic(name, password))  # fmt: skip

        limit = asyncio.Semaphore(20)

        async def guess(n: int) -> Answer:
            async with limit:
                return await request("ann", f"{n}", "127.0.0.2")

        async def honest() -> Answer:
            return await request("ann", "right", "127.0.0.3")

        async def reads_the_users() -> bool:
            return (await ask(gateway, "GET", "/healthz")).status == 401

        await eventually(reads_the_users)
        async with honest_clients(honest) as beside:
            seen = await asyncio.gather(*map(guess, range(guesses)))
            right = await request("ann", "right", "127.0.0.2")
            neighbour = await request("bob", "too", "127.0.0.2")
        statuses = Counter(answer.status for answer in seen)
        waits = [int(a.headers["retry-after"]) for a in seen if a.status == 429]
        known, unknown = await timings(gateway, timed)
        figures = latencies(beside)
        return Figures(
            "26", f"{guesses} wrong passwords",
            "slowed to 429; honest users elsewhere let in; unknown users take as long",
            {**{f"status_{s}": n for s, n in statuses.items()},
             "retry_after_max_s": max(waits, default=0),
             "known_user_p50_ms": known, "unknown_user_p50_ms": unknown,
             **{f"honest_{name}": number for name, number in figures.items()}},
            violations(
                slowed=statuses[401] <= 10 and statuses[429] == guesses - statuses[401],
                says_when=len(waits) > 0 and 0 < min(waits) <= max(waits) <= 60,
                right_one_is_not_told=right.status == 429,
                other_user_at_that_address_let_in=neighbour.status == 200,
                honest_elsewhere_let_in={a.status for a in beside} == {200},
            ),
            late=violations(same_time=abs(known - unknown) <= 0.25 * max(known, unknown)),
        )  # fmt: skip


async def timings(gateway: Gateway, number: int) -> tuple[float, float]:
    """The medians of a wrong password of a known and of an unknown user, in ms."""
    taken: dict[str, list[float]] = {"ann": [], "nobody": []}
    for n in range(number):
        for name, seconds in taken.items():
            answer = await ask(gateway, "GET", "/healthz", address=f"127.0.1.{n + 1}",
                               Authorization=basic(name, "wrong"))  # fmt: skip
            assert answer.status == 401
            seconds.append(answer.seconds * 1000)
    return percentile(taken["ann"], 50), percentile(taken["nobody"], 50)
