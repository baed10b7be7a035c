"""What a task must keep to, for its function to get what was sent; breaches with remedies."""

import inspect
import sys
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, RootModel

from config.task_names import NAME_PATTERN

CONCURRENCY_FIELD = "fasttask_concurrency_params"
SUM_OF_ALL = "total"  # task_info_total
OUR_PACKAGES = frozenset({"app", "config", "deploy", "packages", "tasks", "tests", "workers"})

Breaches = Iterator[tuple[str, str]]  # problem and remedy


def breaches_of_name(name: str) -> Breaches:
    """Of the file's name, which is the task's."""
    if not NAME_PATTERN.fullmatch(name):
        remedy = "use letters, digits and underscores, a letter first"
        yield f"{name!r} is no task name", remedy
    remedy = "rename the file and its function"
    if name == SUM_OF_ALL:
        yield f"the name {name!r} belongs to the sum over all tasks in status_info", remedy
    if name in sys.stdlib_module_names or name in OUR_PACKAGES:
        yield f"the name {name!r} belongs to another Python module", remedy


def breaches_of_params(params: type[BaseModel]) -> Breaches:
    """Of Params, whose fields are the function's arguments."""
    if issubclass(params, RootModel):
        yield "Params is a RootModel", "make it a BaseModel: its fields are the arguments"
    if CONCURRENCY_FIELD in params.model_fields:
        remedy = "rename it: FastTask adds a field of that name to every request"
        yield f"Params has a field {CONCURRENCY_FIELD}", remedy


def breaches_of_function(function: Any, name: str, params: type[BaseModel]) -> Breaches:
    """Of what goes by the task's name."""
    if not callable(function):
        yield f"{name} is not a function", f"define it: def {name}(...)"
        return
    if inspect.iscoroutinefunction(function):
        yield f"{name} is async", f"make it a plain function: def {name}(...)"
    arguments = inspect.signature(function).parameters.values()
    if any(a.kind is a.POSITIONAL_ONLY for a in arguments):
        yield f"{name} has positional-only arguments", "remove the '/' from its signature"
    yield from _mismatches(list(arguments), name, set(params.model_fields))


def _mismatches(arguments: list[inspect.Parameter], name: str, fields: set[str]) -> Breaches:
    named = {a.name for a in arguments if a.kind in (a.POSITIONAL_OR_KEYWORD, a.KEYWORD_ONLY)}
    needed = {a.name for a in arguments if a.name in named and a.default is a.empty}
    takes_any = any(a.kind is a.VAR_KEYWORD for a in arguments)
    if needed - fields:
        remedy = "add the field to Params or remove the argument"
        yield f"{name} takes {_listed(needed - fields)}, which Params does not have", remedy
    if fields - named and not takes_any:
        remedy = f"add the argument to {name} or remove the field"
        yield f"Params has {_listed(fields - named)}, which {name} does not take", remedy


def _listed(names: set[str]) -> str:
    return ", ".join(repr(n) for n in sorted(names))
