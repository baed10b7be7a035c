"""A task whose fields are of every kind; it returns what it was given."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field, computed_field


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Point(BaseModel):
    x: float
    y: float = 0.5
    label: str | None = Field(None, alias="theLabel")


class Fields(BaseModel):
    whole: int = 1
    number: float = 0.25
    text: str = "déjà vu 😀"
    flag: bool = False
    nothing: None = None
    moment: datetime = datetime.fromisoformat("2026-01-02T03:04:05+02:00")
    day: date = date(2026, 2, 28)
    span: timedelta = timedelta(seconds=90)
    money: Decimal = Decimal("0.10")
    colour: Colour = Colour.RED
    place: Path = Path("a/b")
    key: UUID = UUID("12345678-1234-5678-1234-567812345678")
    point: Point = Point(x=1)
    points: list[Point] = Field(default_factory=list)
    by_name: dict[str, int] = Field(default_factory=dict)
    some: set[int] = Field(default_factory=set)
    pair: tuple[int, str] = (1, "one")
    anything: Any = None
    renamed: str = Field("default", alias="reNamed")


class Params(Fields):
    @computed_field
    @property
    def double(self) -> int:
        return self.whole * 2


class Result(Fields):
    pass


def everything(
    whole, number, text, flag, nothing, moment, day, span, money, colour, place, key, point,
    points, by_name, some, pair, anything, renamed,
):  # fmt: skip
    return dict(locals())
