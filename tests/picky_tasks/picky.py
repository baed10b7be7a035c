"""A task whose Params has code of its own that does not think of what clients may send."""

import argparse
from typing import Annotated

from pydantic import AfterValidator, AliasGenerator, BaseModel, BeforeValidator, ConfigDict
from pydantic.alias_generators import to_camel


class Point(BaseModel):
    x: float = 0.0


def _an_option(text):
    return argparse.ArgumentParser().parse_args([text])


class Params(BaseModel):
    model_config = ConfigDict(alias_generator=AliasGenerator(to_camel))

    name: Annotated[str, BeforeValidator(lambda name: name.strip())] = ""
    colour: Annotated[str, AfterValidator({"": "", "red": "#f00"}.__getitem__)] = ""
    option: Annotated[object, AfterValidator(_an_option)] = None
    point: Point | None = None


class Result(BaseModel):
    name: str
    colour: str
    option: object
    point: object


def picky(name, colour, option, point):
    """Answers what it was given."""
    return Result(name=name, colour=colour, option=option, point=point)
