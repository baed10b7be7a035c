import os
from pathlib import Path

from pydantic import BaseModel


class Params(BaseModel):
    file_name: str
    text: str


class Result(BaseModel):
    file_name: str


def store(file_name, text):
    """Write a file that can then be downloaded."""
    path = Path(os.environ["FILES_DIR"]) / file_name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return {"file_name": file_name}
