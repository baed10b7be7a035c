from typing import Any

from pydantic import BaseModel


class Params(BaseModel):
    value: Any = None


class Result(BaseModel):
    value: Any = None


def echo(value=None):
    """Return what came in."""
    return {"value": value}
