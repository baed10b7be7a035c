from pydantic import BaseModel


class Params(BaseModel):
    number: int = 0


class Result(BaseModel):
    number: int


def noop(number=0):
    """Nothing but the way there and back."""
    return {"number": number}
