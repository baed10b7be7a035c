import math

from pydantic import BaseModel, Field


class Params(BaseModel):
    radius: float = Field(ge=0, description="The circle's radius", examples=[5.0])


class Result(BaseModel):
    area: float = Field(description="The circle's area", examples=[78.53981633974483])


def get_circle_area(radius):
    """The area of a circle with the given radius."""
    return Result(area=math.pi * radius**2).model_dump()
