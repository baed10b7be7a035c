import time

from pydantic import BaseModel


class Params(BaseModel):
    number: int = 0
    milliseconds: int = 10


class Result(BaseModel):
    number: int
    seconds: float


def nap(number=0, milliseconds=10):
    """Take up a slot for a while, and tell for how long: a sleep takes a little longer."""
    began = time.monotonic()
    time.sleep(milliseconds / 1000)
    return {"number": number, "seconds": time.monotonic() - began}
