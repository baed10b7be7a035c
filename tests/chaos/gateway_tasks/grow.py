"""A task whose results, errors and output are as large, deep or many as asked for."""

import sys
import time

from pydantic import BaseModel


class Params(BaseModel):
    kind: str = "text"
    size: int = 0
    text: str = ""
    value: object = None


class Result(BaseModel):
    value: object


def text(size):
    return "x" * size


def deep(size):
    value = []
    for _ in range(size):
        value = [value]
    return value


def many(size):
    return [0] * size


def names(size):
    return {str(n): n for n in range(size)}


def sleep(size):
    time.sleep(size / 1000)
    return size


def fail(size):
    raise ValueError("x" * size)


def fail_deep(size):
    sys.setrecursionlimit(size + 100)

    def descend(left):
        if not left:
            raise ValueError("the bottom")
        descend(left - 1)

    descend(size)


def print_and_fail(size):
    line = "x" * 1023
    for _ in range(size // 1024):
        print(line)  # noqa: T201
    raise ValueError("printed enough")


def print_one_line_and_fail(size):
    for _ in range(size // 2**20):
        sys.stdout.write("x" * 2**20)
    raise ValueError("printed enough")


def grow(kind, size, text, value):  # noqa: ARG001
    """Do one of the functions above; what was sent along is only carried."""
    return {"value": globals()[kind](size)}
