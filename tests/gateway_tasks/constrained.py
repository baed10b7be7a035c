"""A task whose fields are bounded in every way and take nothing for what it is not."""

from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class Size(StrEnum):
    SMALL = "small"
    LARGE = "large"


class Exact(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class Circle(Exact):
    kind: Literal["circle"]
    radius: float = Field(gt=0, le=1e6)


class Square(Exact):
    kind: Literal["square"]
    side: float = Field(gt=0, le=1000)
    label: str | None = None


class Node(Exact):
    name: str = Field(max_length=20)
    inner: list["Node"] = Field(default_factory=list, max_length=2)


class Fields(Exact):
    count: int = Field(ge=-5, lt=100)
    even: int = Field(2, multiple_of=2)
    name: str = Field(min_length=1, max_length=20)
    code: str = Field("AB-12", pattern=r"^[A-Z]{2}-[0-9]{2}$")
    ratio: float = Field(0.5, ge=0, le=1)
    is_on: bool = False
    size: Annotated[Size, Field(strict=False)] = Size.SMALL
    key: Annotated[UUID, Field(strict=False)] | None = None
    shape: Circle | Square = Field(discriminator="kind")
    numbers: list[int] = Field(default_factory=list, max_length=5)
    by_name: dict[str, bool] = Field(default_factory=dict, max_length=3)
    tree: Node | None = None


class Params(Fields):
    pass


class Result(Fields):
    pass


def constrained(
    count, even, name, code, ratio, is_on, size, key, shape, numbers, by_name, tree
):  # fmt: skip
    """Answers what it was given."""
    return dict(locals())
