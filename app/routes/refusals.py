"""What may be answered besides success, as the OpenAPI page describes it."""

from typing import Any

from app.schemas import ErrorAnswer, InvalidAnswer

Refusals = dict[int | str, dict[str, Any]]


def refusal(description: str) -> dict[str, Any]:
    """An error with this meaning."""
    return {"model": ErrorAnswer, "description": description}


# Of every route.
REFUSALS: Refusals = {
    401: refusal("No or wrong credentials"),
    429: refusal("Too many requests, waiting jobs or wrong passwords; see Retry-After"),
    503: refusal("No queue server, too many connections, or this process ends; see Retry-After"),
}
# Of routes that read a body.
OF_BODIES: Refusals = {
    413: refusal("Too large"),
    415: refusal("Compressed"),
}
# Of routes that read JSON, a query or a path.
INVALID: Refusals = {422: {"model": InvalidAnswer, "description": "Invalid"}}
