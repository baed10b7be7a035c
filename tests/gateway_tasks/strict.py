from pydantic import BaseModel, ConfigDict, Field


class Params(BaseModel):
    model_config = ConfigDict(extra="forbid")

    count: int = Field(gt=0)


class Result(BaseModel):
    count: int


def strict(count):
    """Takes nothing that it does not know."""
    return Result(count=count)
