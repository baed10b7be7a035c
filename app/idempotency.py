"""`Idempotency-Key`: by what two requests are known to be the same one, sent twice."""

import json
from hashlib import sha256
from typing import Any

from workers.queue import keys
from workers.queue.records import Idempotency


def idempotency(user: str, task: str, key: str, body: Any) -> Idempotency:
    """The client's key and what it asked for. ``body`` is the request's, as read from JSON.

    The request is compared and not the job made from it: defaults that a task's Params computes,
    like a time or a random number, and the order of a set differ from one reading to the next.
    """
    return Idempotency(keys.idempotency(user, task, key), sha256(canonical(body)).hexdigest())


def canonical(body: Any) -> bytes:
    """A JSON value as text that does not depend on the order of keys, on blanks or on escapes."""
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
