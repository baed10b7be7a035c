"""A task file as a module: whatever importing it raises is an error that names the line."""

import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType

from config.task_source import TaskFileError


def imported(path: Path) -> ModuleType:
    """The module of a task file, under the task's name.

    Raises:
        TaskFileError: importing it raised something.
    """
    name = path.stem
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
        raise _failure(path, error) from None
    return module


def in_a_line(error: BaseException) -> str:
    """What an error says in its first paragraph."""
    return " ".join(str(error).partition("\n\n")[0].split())


def _failure(path: Path, error: BaseException) -> TaskFileError:
    problem = f"importing it raised {type(error).__name__}{_where(path, error)}: {in_a_line(error)}"
    remedy = "mend the line or install what it needs"
    return TaskFileError(path, _last_line_in(path, error), problem, remedy)


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
