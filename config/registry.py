"""The task registry: each file of the tasks folder, loaded and checked, as a frozen TaskSpec."""

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel

from config.errors import ConfigurationError
from config.task_module import imported, in_a_line
from config.task_rules import (
    Breaches,
    breaches_of_function,
    breaches_of_name,
    breaches_of_params,
)
from config.task_source import TaskFileError, TaskSource
from config.unfaithful_fields import unfaithful_fields


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """One task as its file defines it."""

    name: str
    function: Callable[..., Any]
    params: type[BaseModel]
    result: type[BaseModel]
    summary: str  #: the function's docstring, or an empty string


def load_tasks(tasks_dir: Path, names: tuple[str, ...]) -> Mapping[str, TaskSpec]:
    """Import the named tasks of ``tasks_dir``, in order.

    The folder goes first on ``sys.path``, so that a task finds its ``packages``.

    Raises:
        ConfigurationError: one line per file that cannot be loaded.
    """
    if str(tasks_dir) not in sys.path:
        sys.path.insert(0, str(tasks_dir))
    specs: dict[str, TaskSpec] = {}
    problems: list[str] = []
    for name in names:
        try:
            specs[name] = _load_task(tasks_dir / f"{name}.py")
        except TaskFileError as error:
            problems.append(str(error))
    if problems:
        raise ConfigurationError(problems)
    return specs


def check_schemas(specs: Mapping[str, TaskSpec], tasks_dir: Path) -> None:
    """See that the OpenAPI page can show all tasks.

    Raises:
        ConfigurationError: a line for each model that has no JSON schema.
    """
    problems: list[str] = []
    for name, spec in specs.items():
        try:
            spec.params.model_json_schema()
            spec.result.model_json_schema(mode="serialization")
        except Exception as error:
            problem = f"Params or Result has no JSON schema: {in_a_line(error)}"
            remedy = "use types that JSON has, or say the schema by pydantic's WithJsonSchema"
            problems.append(str(TaskFileError(tasks_dir / f"{name}.py", 1, problem, remedy)))
    if problems:
        raise ConfigurationError(problems)


def _load_task(path: Path) -> TaskSpec:
    source = TaskSource.read(path)
    name = path.stem
    _expect_none(breaches_of_name(name), path, 1)
    line = source.line_of_function()
    module = imported(path)
    params, result = _model(module, source, "Params"), _model(module, source, "Result")
    _check_fields(params, source)
    function = getattr(module, name, None)
    _expect_none(breaches_of_function(function, name, params), path, line)
    assert callable(function)
    return TaskSpec(name, function, params, result, inspect.getdoc(function) or "")


def _expect_none(breaches: Breaches, path: Path, line: int) -> None:
    for problem, remedy in breaches:
        raise TaskFileError(path, line, problem, remedy)


def _model(module: ModuleType, source: TaskSource, name: str) -> type[BaseModel]:
    model = getattr(module, name, None)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        remedy = f"add: class {name}(pydantic.BaseModel)"
        raise TaskFileError(source.path, 1, f"holds no {name} model", remedy)
    line = source.line_of_class(name)
    try:
        model.model_rebuild()  # what a field names may be defined below it
    except Exception as error:
        problem = f"{name} is not complete: {in_a_line(error)}"
        remedy = "define or import what its fields name"
        raise TaskFileError(source.path, line, problem, remedy) from None
    if name == "Params":
        _expect_none(breaches_of_params(model), source.path, line)
    return model


def _check_fields(params: type[BaseModel], source: TaskSource) -> None:
    for field, problem in unfaithful_fields(params):
        remedy = "a task would not get the value: use another type or remove the option"
        raise TaskFileError(source.path, source.line_of_field(field), problem, remedy)
