"""Where a scenario plays: a cluster whose workers reach the queue server through proxies."""

import asyncio
import contextlib
import random
import signal
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from arq.connections import ArqRedis

from tests.chaos import oracle
from tests.chaos.client import Client
from tests.chaos.network import Namespace
from tests.chaos.proxy import Proxy
from tests.chaos.records import Attempt, Evidence, Outcome, Remains
from tests.integration.app.cluster import HOST, Certificate, Cluster, Gateway, Worker
from tests.queue_state import KEPT
from tests.waiting import eventually, is_alive
from tests.worker_process import parents
from workers.queue import keys
from workers.queue.broker import Broker
from workers.queue.serializer import deserialize, serialize

TASKS = Path(__file__).parent / "tasks"
DRAIN_SECONDS = 15.0  # how long what has ended may take to be cleared away
LONGEST_ANSWER = 5.0  # seconds: I7. The gateway gives the queue server four


@dataclass(frozen=True)
class Setting:
    """What a scenario is given. Times are seconds."""

    fault: str
    name: str
    bound: str
    dice: random.Random
    lease: float
    beat: float
    minutes: float  #: how long all scenarios together may take, about

    def times(self, at_twenty_minutes: int, least: int = 1) -> int:
        """How often to do what is done so many times in twenty minutes."""
        return max(least, round(at_twenty_minutes * self.minutes / 20))

    def stage(self) -> "Stage":
        """A cluster of its own."""
        return Stage(self)

    def outcome(
        self, *, injected: int, jobs: int, missed: Iterable[str], lost: int = 0,
        duplicates: int = 0, recoveries: Iterable[float] = (), note: str = "",
    ) -> Outcome:  # fmt: skip
        """The outcome of a scenario that judges by itself."""
        return Outcome(
            self.fault, self.name, self.bound, injected, jobs, lost, duplicates,
            tuple(recoveries), tuple(missed), note,
        )  # fmt: skip


@dataclass
class Node:
    """A worker and its own link to the queue server."""

    worker: Worker
    link: Proxy

    @property
    def pid(self) -> int:
        return self.worker.process.pid

    def send(self, number: signal.Signals) -> None:
        """Signal the parent process alone."""
        self.worker.process.send_signal(number)

    def kill(self) -> list[int]:
        """SIGKILL the parent process; the processes that were below it."""
        below = self.descendants()
        self.worker.kill()
        return below

    async def restart(self) -> None:
        """Start it again on the same files, and wait until it takes jobs."""
        self.worker.start()
        await asyncio.to_thread(self.worker.wait_ready)

    def descendants(self) -> list[int]:
        """The live processes below the parent."""
        family = parents()
        found = [self.pid]
        for one in found:
            found += [pid for pid, parent in family.items() if parent == one]
        return [pid for pid in found[1:] if is_alive(pid)]

    def children(self) -> list[int]:
        """The live processes that run jobs."""
        family = parents()
        servers = [pid for pid, parent in family.items() if parent == self.pid]
        return [pid for pid, parent in family.items() if parent in servers and is_alive(pid)]


class Stage:
    """A cluster, the clients that use it, and the judgement of what they saw."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.nodes: list[Node] = []
        self.gateways: list[Gateway] = []
        self._certificates = tempfile.TemporaryDirectory(prefix="ft-certificate-")
        self.closing = contextlib.AsyncExitStack()  #: what is closed when the play is over
        self._before = Remains()

    async def __aenter__(self) -> Self:
        certificate = Certificate(Path(self._certificates.name))
        self.cluster = self.closing.enter_context(Cluster(certificate, TASKS))
        self.redis = ArqRedis(
            unix_socket_path=str(self.cluster.queue.socket),
            job_serializer=serialize,
            job_deserializer=deserialize,
        )
        self.broker = Broker(self.redis, result_expires=3600, lease=self.setting.lease)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        await self.redis.aclose(close_connection_pool=True)
        for node in self.nodes:
            await node.link.close()
        await self.closing.aclose()
        self._certificates.cleanup()

    async def add_node(self, namespace: Namespace | None = None, **settings: Any) -> Node:
        """A worker behind a proxy of its own; it may not be ready yet."""
        host = namespace.host if namespace else HOST
        link = await Proxy(self.cluster.queue.socket, self.setting.dice, host).start()
        given = {
            "LEASE_SECONDS": self.setting.lease,
            "HEARTBEAT_SECONDS": self.setting.beat,
            "TASK_QUEUE_URL": link.url,
            **settings,
        }
        node = Node(self.cluster.add_worker(namespace.prefix if namespace else (), **given), link)
        self.nodes.append(node)
        return node

    async def play(self, nodes: int, gateways: int = 1, **settings: Any) -> Client:
        """Start so many of each, wait until all are ready; a client of the first gateway."""
        for _ in range(nodes):
            await self.add_node(**settings)
        for _ in range(gateways):
            self.gateways.append(self.cluster.add_gateway())
        await asyncio.to_thread(self.cluster.wait_ready)
        http = self.gateways[0].async_client()
        self.client = Client(await self.closing.enter_async_context(http))
        await self.client.ended(str(await self.client.create("warm-up")))
        self.client.forget_answers()
        self._before = await self.remains()
        return self.client

    # ---- what the tasks wrote down ----------------------------------------------------------

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """All attempts so far."""
        path = self.cluster.files / "attempts"
        return oracle.read_attempts(path.read_text().splitlines() if path.exists() else ())

    def attempts_of(self, key: str) -> list[Attempt]:
        """The attempts of one job, in the order of their begin."""
        return sorted((a for a in self.attempts if a.key == key), key=lambda a: a.started)

    async def begun(self, keys_: Iterable[str], runs: int = 1, within: float = 30.0) -> None:
        """Wait until each job has been begun so many times."""
        wanted = list(keys_)

        def all_begun() -> bool:
            counts: dict[str, int] = {}
            for attempt in self.attempts:
                counts[attempt.key] = counts.get(attempt.key, 0) + 1
            return all(counts.get(key, 0) >= runs for key in wanted)

        await eventually(all_begun, within)

    def running_on(self, node: Node) -> list[Attempt]:
        """The attempts that run below a worker now."""
        pids = set(node.descendants())
        return [a for a in self.attempts if a.ended is None and a.pid in pids]

    def again_after(self, key: str, at: float) -> float | None:
        """Seconds from ``at`` until the job was begun again."""
        return next((a.started - at for a in self.attempts_of(key) if a.started > at), None)

    def recoveries(self, struck: Mapping[str, float]) -> tuple[float, ...]:
        """Seconds until each job (key -> when it was struck) was begun again, if it was."""
        found = (self.again_after(key, at) for key, at in struck.items())
        return tuple(seconds for seconds in found if seconds is not None)

    # ---- judging ----------------------------------------------------------------------------

    async def remains(self) -> Remains:
        """What the cluster holds now."""
        kept = (*KEPT, keys.WORKER, keys.WORKERS, keys.RUNNING_ID)
        names = [name.decode() async for name in self.redis.scan_iter(count=1000)]
        totals = {k.decode(): int(v) for k, v in (await self.redis.hgetall(keys.TOTALS)).items()}
        alive = [node for node in self.nodes if is_alive(node.pid)]
        return Remains(
            keys=tuple(n for n in names if not n.startswith(kept)),
            gauges=tuple(
                f"{k}={v}" for k, v in totals.items() if k.endswith((":STARTED", ":RETRY")) and v
            ),
            children=sum(len(node.descendants()) for node in alive),
            files=sum(_open_files(node.pid) for node in alive),
            memory_kib=sum(_resident_kib(node.pid) for node in alive),
        )

    async def outcome(
        self,
        *,
        injected: int,
        losses: Mapping[str, int] | int = 0,
        recoveries: Iterable[float] = (),
        recovered_within: float | None = None,
        settled_within: float | None = None,
        longest_answer: float = LONGEST_ANSWER,
        missed: Iterable[str] = (),
        late: Iterable[str] = (),
        note: str = "",
    ) -> Outcome:
        """Wait for the end of all jobs, ask the oracle, and write its verdict down.

        ``losses`` are those injected, by key or per job; ``missed`` is what the scenario itself
        found wrong, and ``late`` what it found slow.
        """
        await self.client.settle(settled_within or 3 * self.setting.lease + 30)
        await self.client.read_again()
        remains = await self._drained()
        client, recoveries = self.client, tuple(recoveries)
        evidence = Evidence(
            tuple(client.sent), tuple(client.acknowledged), tuple(client.seen),
            tuple(client.answers), self.attempts,
        )  # fmt: skip
        return Outcome(
            fault=self.setting.fault,
            name=self.setting.name,
            bound=self.setting.bound,
            injected=injected,
            jobs=len(evidence.acknowledged),
            lost=oracle.lost(evidence),
            duplicates=oracle.duplicates(evidence.attempts),
            recoveries=recoveries,
            violations=(
                *oracle.unfinished(evidence),
                *oracle.changed_results(evidence.seen),
                *oracle.backward_states(evidence.seen),
                *oracle.foreign_results(evidence),
                *oracle.leftovers(self._before, remains),
                *oracle.hanging_or_unclean(evidence.answers, longest_answer),
                *oracle.mixed_up_answers(evidence),
                *oracle.too_many_executions(evidence.attempts, losses),
                *missed,
            ),
            late=(*oracle.late_recoveries(recoveries, recovered_within or float("inf")), *late),
            note=note,
        )

    async def _drained(self) -> Remains:
        """What remains when nothing is cleared away any more, or after a while."""
        deadline = time.monotonic() + DRAIN_SECONDS
        while True:
            remains = await self.remains()
            if not oracle.leftovers(self._before, remains) or time.monotonic() > deadline:
                return remains
            await asyncio.sleep(0.2)


def not_of_state(seen: Iterable[Any], ids: Iterable[str], state: str) -> list[str]:
    """A sentence if a job of ``ids`` was seen to end otherwise than as ``state``."""
    wanted = set(ids)
    wrong = {s.id for s in seen if s.id in wanted and s.state in oracle.FINAL and s.state != state}
    return [f"{len(wrong)} jobs did not end as {state}: {sorted(wrong)[:3]}"] if wrong else []


def named(prefix: str, count: int) -> list[str]:
    """Keys for so many jobs."""
    return [f"{prefix}-{n}" for n in range(count)]


def _open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _resident_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
