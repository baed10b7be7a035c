"""A user of the API who writes down all that he asks and is told."""

import asyncio
import json
import time
from collections.abc import Callable, Iterable
from typing import Any

import httpx

from tests.chaos.oracle import FINAL, parsed
from tests.chaos.records import Acknowledged, Answer, Seen, Sent

TASK = "work"
AT_ONCE = 24  # requests of one client under way at the same time
LOAD_AT_ONCE = 128  # the same under load, when those before may go unanswered for a while
LOOK_SECONDS = 0.1  # pause between two looks at all open jobs


class Client:
    """Creates jobs, follows them and takes them back; never repeats what was refused."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.sent: list[Sent] = []
        self.acknowledged: list[Acknowledged] = []
        self.seen: list[Seen] = []
        self.answers: list[Answer] = []
        self._http = http
        self._final: set[str] = set()
        self._room = asyncio.Semaphore(AT_ONCE)

    async def create(self, key: str, **params: Any) -> str | None:
        """Ask for a job; its id if it was acknowledged."""
        limits = params.pop("limits", None)
        body = {"key": key, **params}
        if limits:
            body["fasttask_concurrency_params"] = limits
        self.sent.append(Sent(key, time.monotonic()))
        answer = await self._ask("POST", f"/create/{TASK}", json=body)
        if answer is None or answer.status_code != 200:
            return None
        seen = self._see(answer)
        self.acknowledged.append(Acknowledged(key, seen.id, seen.at))
        return seen.id

    async def create_all(self, keys: Iterable[str], **params: Any) -> list[str]:
        """Create many jobs at once; the ids of those that were acknowledged."""
        ids = await asyncio.gather(*(self._in_turn(self.create(key, **params)) for key in keys))
        return [one for one in ids if one is not None]

    async def load(
        self, name: str, per_second: float, seconds: float, params: Callable[[int], dict[str, Any]]
    ) -> None:
        """Create jobs at a steady rate; it falls behind if too many wait for their answers."""
        begin, asked, room = time.monotonic(), set(), asyncio.Semaphore(LOAD_AT_ONCE)

        async def one(n: int) -> None:
            try:
                await self.create(f"{name}-{n}", **params(n))
            finally:
                room.release()

        for n in range(int(per_second * seconds)):
            await asyncio.sleep(max(0.0, begin + n / per_second - time.monotonic()))
            await room.acquire()
            asked.add(asyncio.create_task(one(n)))
        await asyncio.gather(*asked)

    async def check(self, job_id: str) -> Seen | None:
        """Look at a job; None if there was no clean answer."""
        answer = await self._ask("GET", f"/check/{job_id}")
        return self._see(answer) if answer is not None and answer.status_code == 200 else None

    async def revoke(self, job_id: str) -> bool:
        """Take a job back; whether the answer says that it is revoked now."""
        answer = await self._ask("POST", "/revoke", json={"result_id": job_id})
        return answer is not None and answer.json().get("status") == "SUCCESS"

    async def settle(self, within: float) -> bool:
        """Follow all acknowledged jobs until each has ended; False if some have not in time."""
        deadline = time.monotonic() + within
        while open_ids := [a.id for a in self.acknowledged if a.id not in self._final]:
            await asyncio.gather(*(self._in_turn(self.check(job_id)) for job_id in open_ids))
            if time.monotonic() > deadline:
                return all(a.id in self._final for a in self.acknowledged)
            await asyncio.sleep(LOOK_SECONDS)
        return True

    async def read_again(self) -> None:
        """Look at every acknowledged job once more."""
        ids = [a.id for a in self.acknowledged]
        await asyncio.gather(*(self._in_turn(self.check(job_id)) for job_id in ids))

    async def ended(self, job_id: str, within: float = 60.0) -> Seen:
        """A job once it has ended."""
        deadline = time.monotonic() + within
        while True:
            seen = await self.check(job_id)
            if seen is not None and seen.state in FINAL:
                return seen
            assert time.monotonic() < deadline, f"{job_id} has not ended: {seen}"
            await asyncio.sleep(LOOK_SECONDS)

    def forget_answers(self) -> None:
        """Leave what was answered so far out of the evidence."""
        self.answers.clear()

    async def _in_turn(self, asking: Any) -> Any:
        async with self._room:
            return await asking

    async def _ask(self, method: str, path: str, **request: Any) -> httpx.Response | None:
        begin, logged = time.monotonic(), "/" + path.split("/")[1]
        try:
            answer = await self._http.request(method, path, **request)
        except httpx.TransportError:
            self.answers.append(Answer(logged, 0, time.monotonic() - begin, False, False))
            return None
        self.answers.append(
            Answer(
                logged, answer.status_code, time.monotonic() - begin, _is_json(answer),
                "retry-after" in answer.headers,
            )
        )  # fmt: skip
        return answer

    def _see(self, answer: httpx.Response) -> Seen:
        seen = parsed(answer.content, time.monotonic())
        self.seen.append(seen)
        if seen.state in FINAL:
            self._final.add(seen.id)
        return seen


def _is_json(answer: httpx.Response) -> bool:
    try:
        json.loads(answer.content)
    except ValueError:
        return False
    return answer.headers["content-type"].startswith("application/json")
