"""Numbers that JSON does not have: NaN and the infinite ones, which pydantic writes as null."""

import math
from collections.abc import Collection, Mapping
from typing import Any


def holds_non_finite(value: Any) -> bool:
    """Whether there is such a number in ``value``, however deep in collections."""
    match value:
        case float():
            return not math.isfinite(value)
        case str() | bytes():
            return False
        case Mapping():
            return any(map(holds_non_finite, value.values()))
        case Collection():
            return any(map(holds_non_finite, value))
    return False
