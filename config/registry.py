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
from typing import Any, get_args, get_origin

from pydantic import BaseModel, Secret, SecretBytes, SecretStr

from config.errors import ConfigurationError
from config.task_names import NAME_PATTERN

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
    params = _model(module, path, "Params")
    result = _model(module, path, "Result")
    for field, problem in unfaithful_fields(params):
        remedy = "a task would not get the value: use another type or remove the option"
        raise TaskFileError(path, _line_of_field(tree, field), problem, remedy)
    function = getattr(module, name, None)
    for problem, remedy in _function_problems(function, name, params):
        raise TaskFileError(path, line, problem, remedy)
    assert callable(function)
    return TaskSpec(name, function, params, result, inspect.getdoc(function) or "")


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
            f"importing it raised {type(error).__name__}: {error}",
            "mend the line or install what it needs",
        ) from None
    return module


def _last_line_in(path: Path, error: BaseException) -> int:
    frames = traceback.extract_tb(error.__traceback__)
    return next((f.lineno or 1 for f in reversed(frames) if f.filename == str(path)), 1)


def _model(module: ModuleType, path: Path, name: str) -> type[BaseModel]:
    model = getattr(module, name, None)
    if isinstance(model, type) and issubclass(model, BaseModel):
        if name == "Params" and CONCURRENCY_FIELD in model.model_fields:
            raise TaskFileError(
                path,
                1,
                f"Params has a field {CONCURRENCY_FIELD}",
                "rename it: FastTask adds a field of that name to every request",
            )
        return model
    raise TaskFileError(path, 1, f"holds no {name} model", f"add: class {name}(pydantic.BaseModel)")


def unfaithful_fields(
    model: type[BaseModel], seen: frozenset[type[BaseModel]] = frozenset()
) -> Iterator[tuple[str, str]]:
    """Fields whose value pydantic hides or leaves out when it writes JSON: name and problem."""
    for name, field in model.model_fields.items():
        if field.exclude or getattr(field, "exclude_if", None) is not None:
            yield name, f"{model.__name__}.{name} is left out of JSON (exclude)"
        for part in _parts_of(field.annotation):
            if issubclass(part, Secret | SecretStr | SecretBytes):
                yield name, f"{model.__name__}.{name} is masked in JSON ({part.__name__})"
            elif issubclass(part, BaseModel) and part not in seen:
                yield from unfaithful_fields(part, seen | {part, model})


def _parts_of(annotation: Any) -> Iterator[type]:
    """All classes that a type is made of."""
    origin = get_origin(annotation)
    if isinstance(origin or annotation, type):
        yield origin or annotation
    aliased = getattr(annotation, "__value__", None)  # of `type X = ...`
    for part in (*get_args(annotation), *([aliased] if aliased else [])):
        yield from _parts_of(part)


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
