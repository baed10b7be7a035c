"""What the tasks' own models say of a request and of an answer, whatever their JSON Schema says."""

import json

from pydantic import BaseModel

from app.params import request_model
from app.schemas import record_model
from config.registry import load_tasks
from tests.integration.app.cluster import GATEWAY_TASKS

TASKS = ("add", "constrained", "everything", "strict")
STRICT = "constrained"  # its author tells pydantic to be strict
_SPECS = load_tasks(GATEWAY_TASKS, TASKS)
_PARAMS = {name: request_model(spec) for name, spec in _SPECS.items()}
_RECORDS = {name: record_model(spec) for name, spec in _SPECS.items()}


def is_params(task: str, body: bytes | str | None) -> bool:
    """Whether a task takes a request's body."""
    return _takes(_PARAMS[task], body or "null")


def is_record(task: str, body: bytes) -> bool:
    """Whether an answer is a job record of a task."""
    return _takes(_RECORDS[task], body)


def _takes(model: type[BaseModel], body: bytes | str) -> bool:
    try:
        model.model_validate(json.loads(body))
    except ValueError:
        return False
    return True
