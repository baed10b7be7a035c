from pydantic import BaseModel, Field


class Params(BaseModel):
    a: int = Field(examples=[2])
    b: int = Field(0, examples=[3])


class Result(BaseModel):
    total: int = Field(examples=[5])


def add(a, b):
    """Add two integers of any size."""
    return {"total": a + b}
