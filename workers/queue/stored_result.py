"""A stored result as a record. Only our own fields are parsed; see conclude in ending.lua."""

import orjson

from workers.queue import keys
from workers.queue.records import JobView, State

STATES = {str(state): state for state in State}  # State(...) takes five times as long


def final_view(stored: bytes) -> JobView:
    """The job whose result it is, as it ended.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it is no stored result.
    """
    start, length = orjson.loads(stored[stored.rindex(b"[") : -1])
    fields = orjson.loads(b"{" + stored[start + length + 1 :])
    tries = fields["n"]
    ended = fields["ft"]
    return JobView(
        fields["id"],
        STATES[fields["x"]],
        stored[start : start + length],
        task=fields["q"].removeprefix(keys.QUEUE),
        owner=fields["o"],
        created_ms=fields["c"],
        started_ms=fields["st"] if tries else None,
        finished_ms=ended,
        updated_ms=ended,
        tries=tries,
        worker=fields["w"] or None,
    )
