"""The task registry: each file of the tasks folder, loaded and checked, as a frozen TaskSpec."""

import ast
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel, RootModel

from config.errors import ConfigurationError
from config.task_names import NAME_PATTERN
from config.unfaithful_fields import unfaithful_fields

CONCURRENCY_FIELD = "fasttask_concurrency_params"
SUM_OF_ALL = "total"  # task_info_total
OUR_PACKAGES = frozenset({"app", "config", "deploy", "packages", "tasks", "tests", "workers"})


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """One task as its file defines it."""

    name: str
    function: Callable[..., Any]
    params: type[BaseModel]
    result: type[BaseModel]
    summary: str  #: the function's docstring, or an empty string


class TaskFileError(Exception):
    """A task file cannot be loaded; the message names file, line and remedy."""

    def __init__(self, path: Path, line: int, problem: str, remedy: str) -> None:
        super().__init__(f"{path}:{line}: {problem}; {remedy}")


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


def _load_task(path: Path) -> TaskSpec:
    name = path.stem
    tree = _parse(path)
    _check_name(path, name)
    line = _line_of_function(tree, path, name)
    module = _import(path, name)
    params = _model(module, path, tree, "Params")
    result = _model(module, path, tree, "Result")
    for field, problem in unfaithful_fields(params):
        remedy = "a task would not get the value: use another type or remove the option"
        raise TaskFileError(path, _line_of_field(tree, field), problem, remedy)
    function = getattr(module, name, None)
    for problem, remedy in _function_problems(function, name, params):
        raise TaskFileError(path, line, problem, remedy)
    assert callable(function)
    return TaskSpec(name, function, params, result, inspect.getdoc(function) or "")


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
            problem = f"Params or Result has no JSON schema: {_in_a_line(error)}"
            remedy = "use types that JSON has, or say the schema by pydantic's WithJsonSchema"
            problems.append(str(TaskFileError(tasks_dir / f"{name}.py", 1, problem, remedy)))
    if problems:
        raise ConfigurationError(problems)


def _parse(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes(), str(path))
    except SyntaxError as error:
        raise TaskFileError(
            path, error.lineno or 1, f"syntax error: {error.msg}", "correct the line"
        ) from None
    except (OSError, ValueError) as error:
        raise TaskFileError(path, 1, f"cannot be read: {error}", "make it a text file") from None


def _check_name(path: Path, name: str) -> None:
    if not NAME_PATTERN.fullmatch(name):
        raise TaskFileError(
            path,
            1,
            f"{name!r} is no task name",
            "use letters, digits and underscores, a letter first",
        )
    if name == SUM_OF_ALL:
        raise TaskFileError(
            path,
            1,
            f"the name {name!r} belongs to the sum over all tasks in status_info",
            "rename the file and its function",
        )
    if name in sys.stdlib_module_names or name in OUR_PACKAGES:
        raise TaskFileError(
            path,
            1,
            f"the name {name!r} belongs to another Python module",
            "rename the file and its function",
        )


def _line_of_function(tree: ast.Module, path: Path, name: str) -> int:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            return node.lineno
        if isinstance(node, ast.Name | ast.alias) and name in (
            getattr(node, "id", None),
            getattr(node, "name", None),
            getattr(node, "asname", None),
        ):
            return getattr(node, "lineno", 1)
    raise TaskFileError(
        path,
        1,
        f"holds no function named {name}",
        f"name the function like the file: def {name}(...)",
    )


def _import(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, KeyboardInterrupt):
            raise
        raise TaskFileError(
            path,
            _last_line_in(path, error),
            f"importing it raised {type(error).__name__}{_where(path, error)}: {_in_a_line(error)}",
            "mend the line or install what it needs",
        ) from None
    return module


def _last_line_in(path: Path, error: BaseException) -> int:
    frames = traceback.extract_tb(error.__traceback__)
    return next((f.lineno or 1 for f in reversed(frames) if f.filename == str(path)), 1)


def _where(path: Path, error: BaseException) -> str:
    """Where it was raised, if that is not the task file but a helper."""
    frames = traceback.extract_tb(error.__traceback__)
    files = [f for f in frames if not f.filename.startswith("<")]
    if not files or files[-1].filename in (str(path), __file__):
        return ""
    return f" at {files[-1].filename}:{files[-1].lineno}"


def _model(module: ModuleType, path: Path, tree: ast.Module, name: str) -> type[BaseModel]:
    model, line = getattr(module, name, None), _line_of_class(tree, name)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        remedy = f"add: class {name}(pydantic.BaseModel)"
        raise TaskFileError(path, 1, f"holds no {name} model", remedy)
    try:
        model.model_rebuild()  # what a field names may be defined below it
    except Exception as error:
        problem = f"{name} is not complete: {_in_a_line(error)}"
        raise TaskFileError(path, line, problem, "define or import what its fields name") from None
    if name == "Params":
        for problem, remedy in _params_problems(model):
            raise TaskFileError(path, line, problem, remedy)
    return model


def _params_problems(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    if issubclass(model, RootModel):
        yield "Params is a RootModel", "make it a BaseModel: its fields are the arguments"
    if CONCURRENCY_FIELD in model.model_fields:
        remedy = "rename it: FastTask adds a field of that name to every request"
        yield f"Params has a field {CONCURRENCY_FIELD}", remedy


def _line_of_class(tree: ast.Module, name: str) -> int:
    lines = (node.lineno for node in tree.body if getattr(node, "name", None) == name)
    return next(lines, 1)


def _in_a_line(error: BaseException) -> str:
    """What an error says in its first paragraph."""
    return " ".join(str(error).partition("\n\n")[0].split())


def _line_of_field(tree: ast.Module, field: str) -> int:
    lines = (
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and node.target.id == field
    )
    return next(lines, 1)


def _function_problems(
    function: Any, name: str, params: type[BaseModel]
) -> Iterator[tuple[str, str]]:
    if not callable(function):
        yield f"{name} is not a function", f"define it: def {name}(...)"
        return
    if inspect.iscoroutinefunction(function):
        yield f"{name} is async", f"make it a plain function: def {name}(...)"
    arguments = inspect.signature(function).parameters.values()
    if any(a.kind is a.POSITIONAL_ONLY for a in arguments):
        yield f"{name} has positional-only arguments", "remove the '/' from its signature"
    yield from _mismatches(list(arguments), name, set(params.model_fields))


def _mismatches(
    arguments: list[inspect.Parameter], name: str, fields: set[str]
) -> Iterator[tuple[str, str]]:
    named = {a.name for a in arguments if a.kind in (a.POSITIONAL_OR_KEYWORD, a.KEYWORD_ONLY)}
    needed = {a.name for a in arguments if a.name in named and a.default is a.empty}
    takes_any = any(a.kind is a.VAR_KEYWORD for a in arguments)
    if needed - fields:
        yield (
            f"{name} takes {_listed(needed - fields)}, which Params does not have",
            "add the field to Params or remove the argument",
        )
    if fields - named and not takes_any:
        yield (
            f"Params has {_listed(fields - named)}, which {name} does not take",
            f"add the argument to {name} or remove the field",
        )


def _listed(names: set[str]) -> str:
    return ", ".join(repr(n) for n in sorted(names))
