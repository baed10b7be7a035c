"""JSON for arq: what its client and worker need in place of pickle.

A standard client is made with::

    await arq.create_pool(settings, job_serializer=serialize, job_deserializer=deserialize)
"""

import asyncio
from typing import Any

import orjson


class TaskFailedError(Exception):
    """A task ended as FAILURE; the message is its traceback or the reason."""


def serialize(data: dict[str, Any]) -> bytes:
    """Encode arq's job or result dict."""
    return orjson.dumps(data)


def deserialize(data: bytes) -> dict[str, Any]:
    """Decode arq's job or result dict.

    arq raises the result of a job that did not succeed, and takes ``asyncio.CancelledError`` for
    an abort that worked; so the text of a failure becomes an exception here.
    """
    decoded: dict[str, Any] = orjson.loads(data)
    if decoded.get("s") is False and isinstance(decoded.get("r"), str):
        kind = asyncio.CancelledError if decoded.get("x") == "REVOKED" else TaskFailedError
        decoded["r"] = kind(decoded["r"])
    return decoded
