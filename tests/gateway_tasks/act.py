"""A task that does what hostile tasks do."""

import os
import signal
import sys

from pydantic import BaseModel


class Params(BaseModel):
    how: str
    text: str = ""


class Result(BaseModel):
    text: str


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("no text for you")


def raise_error(text):
    raise ValueError(text)


def raise_unprintable(_):
    raise Unprintable


def exit_politely(text):
    sys.exit(text)


def kill_itself(_):
    os.kill(os.getpid(), signal.SIGKILL)


def return_nothing(_):
    return None


def return_wrong_type(_):
    return {"text": ["no", "text"]}


def return_no_field(text):
    return {"other": text}


def return_surrogate(_):
    return {"text": "\ud800"}


def return_itself(_):
    loop = {}
    loop["text"] = loop
    return loop


def say(text):
    print("printed:", text)  # noqa: T201
    os.write(1, b"\xff\x00 written\n")
    return {"text": text}


def repeat(text):
    return {"text": text}


def act(how, text):
    """Do one of the functions above."""
    return globals()[how](text)
