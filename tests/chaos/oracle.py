"""The oracle: whether what clients and tasks wrote down is what FastTask promises.

Pure functions over records that were kept outside the queue server. Each answers a list of
sentences, one for each thing that does not hold; an empty list means that the invariant holds.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

import orjson

from tests.chaos.records import Answer, Attempt, Evidence, Remains, Seen

FINAL = frozenset({"SUCCESS", "FAILURE", "REVOKED"})
MOST_NAMED = 3  # of the offenders in one sentence

# A parent may keep a few more connections and some memory after a storm than before it.
MORE_FILES, MORE_MEMORY_KIB = 24, 64 * 1024


def unfinished(evidence: Evidence) -> list[str]:
    """I1: no acknowledged id without a final state."""
    final = {seen.id for seen in evidence.seen if seen.state in FINAL}
    return _told(
        "I1 has no final state", [a.id for a in evidence.acknowledged if a.id not in final]
    )


def changed_results(seen: Iterable[Seen]) -> list[str]:
    """I2: one result an id, the same bytes on every later read."""
    bodies: dict[str, set[bytes]] = defaultdict(set)
    for one in seen:
        if one.state in FINAL:
            bodies[one.id].add(one.body)
    return _told("I2 has several results", [i for i, found in bodies.items() if len(found) > 1])


def backward_states(seen: Iterable[Seen]) -> list[str]:
    """I3: a job that began is never pending again, and one that ended stays as it ended."""
    last: dict[str, str] = {}
    wrong = []
    for one in sorted(seen, key=lambda s: s.at):
        before = last.get(one.id, "PENDING")
        ended_differently = before in FINAL and one.state != before
        if ended_differently or (one.state == "PENDING" and before != "PENDING"):
            wrong.append(f"{one.id} {before}->{one.state}")
        last[one.id] = one.state
    return _told("I3 went back", wrong)


def foreign_results(evidence: Evidence) -> list[str]:
    """I4: a result belongs to an attempt that ran to its end, for these parameters."""
    ran = {(a.key, a.name) for a in evidence.attempts if a.ended is not None}
    return _told(
        "I4 has a result of no attempt",
        [s.id for s in _successes(evidence.seen) if _claimed_by(s) not in ran],
    )


def late_recoveries(recoveries: Iterable[float], bound: float) -> list[str]:
    """I5: recovery within ``bound`` seconds."""
    return _told(
        f"I5 took longer than {bound:g} s", [f"{r:.1f} s" for r in recoveries if r > bound]
    )


def leftovers(before: Remains, after: Remains) -> list[str]:
    """I6: nothing left over once all jobs have ended."""
    grown = [
        ("processes", before.children, after.children, 0),
        ("file descriptors", before.files, after.files, MORE_FILES),
        ("KiB of memory", before.memory_kib, after.memory_kib, MORE_MEMORY_KIB),
    ]
    return [
        *_told("I6 is left on the queue server", after.keys),
        *_told("I6 is not at zero", after.gauges),
        *(f"I6 {a} {what}, {b} before" for what, b, a, more in grown if a > b + more),
    ]


def hanging_or_unclean(answers: Iterable[Answer], longest: float) -> list[str]:
    """I7: every answer within ``longest`` seconds; every error a JSON 4xx, or 503 with a hint."""
    answers = list(answers)
    return [
        *_told(
            f"I7 took longer than {longest:g} s",
            [f"{a.path} {a.seconds:.1f} s" for a in answers if a.seconds > longest],
        ),
        *_told("I7 is no clean answer", [f"{a.path} {a.status}" for a in answers if not _clean(a)]),
    ]


def mixed_up_answers(evidence: Evidence) -> list[str]:
    """I8: no answer about a job carries what belongs to another one."""
    keys = {a.id: a.key for a in evidence.acknowledged}
    return _told(
        "I8 shows another's result",
        [
            s.id
            for s in _successes(evidence.seen)
            if s.id in keys and _claimed_by(s)[0] != keys[s.id]
        ],
    )


def too_many_executions(attempts: Iterable[Attempt], losses: Mapping[str, int] | int) -> list[str]:
    """I9: executions of a job <= 1 + losses injected into it, by its key or the same for all."""

    def allowed(key: str) -> int:
        return 1 + (losses if isinstance(losses, int) else losses.get(key, 0))

    runs = Counter(a.key for a in attempts)
    return _told("I9 ran too often", [f"{k} {n} times" for k, n in runs.items() if n > allowed(k)])


def lost(evidence: Evidence) -> int:
    """Acknowledged jobs without a final state."""
    final = {seen.id for seen in evidence.seen if seen.state in FINAL}
    return sum(a.id not in final for a in evidence.acknowledged)


def duplicates(attempts: Iterable[Attempt]) -> int:
    """Executions beyond the first of each job."""
    attempts = list(attempts)
    return len(attempts) - len({a.key for a in attempts})


def most_at_once(attempts: Iterable[Attempt], ends: Mapping[str, float]) -> int:
    """How many attempts ran at the same time at most; ``ends`` tells when lost ones died."""
    moves = []
    for a in attempts:
        end = a.ended if a.ended is not None else ends.get(a.name, a.started)
        moves += [(a.started, 1), (end, -1)]
    now = most = 0
    for _, move in sorted(moves):
        now += move
        most = max(most, now)
    return most


def read_attempts(lines: Iterable[str]) -> tuple[Attempt, ...]:
    """The attempts file: a line ``key attempt start|end seconds pid`` at each begin and end."""
    begun: dict[tuple[str, str], tuple[float, int]] = {}
    ended: dict[tuple[str, str], float] = {}
    for line in lines:
        key, name, what, at, pid = line.split()
        if what == "start":
            begun[key, name] = float(at), int(pid)
        else:
            ended[key, name] = float(at)
    return tuple(
        Attempt(key, name, pid, at, ended.get((key, name)))
        for (key, name), (at, pid) in begun.items()
    )


def _clean(answer: Answer) -> bool:
    if answer.status == 503:
        return answer.is_json and answer.retry_after
    return answer.is_json and 200 <= answer.status < 500


def _successes(seen: Iterable[Seen]) -> list[Seen]:
    return [s for s in seen if s.state == "SUCCESS"]


def _claimed_by(seen: Seen) -> tuple[object, object]:
    """The key and attempt that a result says it comes from."""
    result = seen.result if isinstance(seen.result, dict) else {}
    return result.get("key"), result.get("attempt")


def _told(what: str, offenders: Iterable[object]) -> list[str]:
    offenders = list(offenders)
    if not offenders:
        return []
    named = ", ".join(map(str, offenders[:MOST_NAMED]))
    return [f"{what}: {len(offenders)} ({named}{', ...' if len(offenders) > MOST_NAMED else ''})"]


def parsed(body: bytes, at: float) -> Seen:
    """An answer of `check`, `create` or `run`."""
    record = orjson.loads(body)
    return Seen(record["id"], record["state"], record["result"], body, at)
