"""What scripts answer, as records. The head of each script says what its answer consists of."""

from collections.abc import Iterator
from typing import Any

import orjson

from workers.queue.records import Buried, Claim, ClaimedJob, DeadLetter, JobView, State

WORDS_A_JOB, WORDS_A_BURIED = 6, 3  # of the answer to a claim


def claim_of(number: int, words: list[Any]) -> Claim:
    """What claim.lua has handed out: so many jobs, and behind them those it has ended."""
    buried_from = WORDS_A_JOB * number
    return Claim(
        [_claimed(job) for job in _rows(words[:buried_from], WORDS_A_JOB)],
        [_buried(job) for job in _rows(words[buried_from:], WORDS_A_BURIED)],
    )


def new_view(job_id: str, task: str, owner: str, created: bytes | int) -> JobView:
    """A job that was just created."""
    created_ms = int(created)
    return JobView(
        job_id, State.PENDING, task=task, owner=owner, created_ms=created_ms, updated_ms=created_ms
    )


def open_view(job_id: str, known: list[bytes]) -> JobView:
    """A job that has not ended, or has expired unrun; see read.lua."""
    return _open(job_id, known[0] == b"EXPIRED", *(part.decode() for part in known[1:]))


def letter_of(reply: list[Any]) -> DeadLetter:
    """A letter of dead_letters.lua."""
    texts = (_text(part or b"") for part in reply)
    job_id, died, task, owner, created, worker, reason, attempts, readable = texts
    return DeadLetter(
        id=job_id,
        task=task,
        owner=owner,
        died_ms=int(died),
        created_ms=int(created) if created.isdecimal() else None,
        worker=worker or None,
        reason=reason,
        attempts=int(attempts or 0),
        replayable=readable == "1",
    )


def counters(flat: list[bytes]) -> dict[str, int]:
    """Names and numbers in turn, as HGETALL answers them."""
    return {key.decode(): int(value) for key, value in zip(flat[::2], flat[1::2], strict=True)}


def difference(now: dict[str, int], then: dict[str, int]) -> dict[str, int]:
    """What was counted since ``then``."""
    return {key: count - then.get(key, 0) for key, count in now.items()}


def _rows(words: list[Any], length: int) -> Iterator[list[Any]]:
    return (words[i : i + length] for i in range(0, len(words), length))


def _claimed(reply: list[Any]) -> ClaimedJob:
    job_id, task, token, attempt, data, key = reply
    data, to_fetch = (b"", data) if isinstance(data, int) else (data, 0)
    return ClaimedJob(
        _text(job_id), task.decode(), token.decode(), int(attempt), data, _text(key), to_fetch
    )


def _buried(reply: list[bytes]) -> Buried:
    job_id, task, state = map(_text, reply)
    return Buried(job_id, task, State(state))


def _open(
    job_id: str, expired: bool, task: str, owner: str, state: str, created: str, started: str,
    updated: str, worker: str, attempts: str,
) -> JobView:  # fmt: skip
    text = "expired: the job was not started within 30 days" if expired else ""
    return JobView(
        id=job_id,
        state=State.FAILURE if expired else State(state),
        result=orjson.dumps(text),
        task=task or None,
        owner=owner or None,
        created_ms=int(created) if created else None,
        started_ms=int(started) if started else None,
        updated_ms=int(updated) if updated else None,
        tries=int(attempts),
        worker=worker or None,
    )


def _text(stored: bytes) -> str:
    """What may be no text, as it may be a foreign client's: then its job is just fenced."""
    return stored.decode(errors="replace")
