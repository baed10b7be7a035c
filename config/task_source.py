"""A task file as text: what it must be to be imported, and where in it something is defined."""

import ast
from pathlib import Path
from typing import Self


class TaskFileError(Exception):
    """A task file cannot be loaded; the message names file, line and remedy."""

    def __init__(self, path: Path, line: int, problem: str, remedy: str) -> None:
        super().__init__(f"{path}:{line}: {problem}; {remedy}")


class TaskSource:
    """A task file's text. A line is 1 where nothing is found."""

    def __init__(self, path: Path, tree: ast.Module) -> None:
        self.path = path
        self._tree = tree

    @classmethod
    def read(cls, path: Path) -> Self:
        """Parse it.

        Raises:
            TaskFileError: it is no Python, or cannot be read.
        """
        try:
            return cls(path, ast.parse(path.read_bytes(), str(path)))
        except SyntaxError as error:
            problem = f"syntax error: {error.msg}"
            raise TaskFileError(path, error.lineno or 1, problem, "correct the line") from None
        except (OSError, ValueError) as error:
            problem = f"cannot be read: {error}"
            raise TaskFileError(path, 1, problem, "make it a text file") from None

    def line_of_function(self) -> int:
        """Where the function that goes by the file's name is defined, or imported.

        Raises:
            TaskFileError: nothing goes by that name.
        """
        name = self.path.stem
        for node in ast.walk(self._tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
                return node.lineno
            if isinstance(node, ast.Name | ast.alias) and name in _names_of(node):
                return getattr(node, "lineno", 1)
        problem = f"holds no function named {name}"
        remedy = f"name the function like the file: def {name}(...)"
        raise TaskFileError(self.path, 1, problem, remedy)

    def line_of_class(self, name: str) -> int:
        """Where a class of the file is defined."""
        lines = (node.lineno for node in self._tree.body if getattr(node, "name", None) == name)
        return next(lines, 1)

    def line_of_field(self, field: str) -> int:
        """Where a field of one of its models is."""
        lines = (
            node.lineno
            for node in ast.walk(self._tree)
            if isinstance(node, ast.AnnAssign)
            and isinstance(node.target, ast.Name)
            and node.target.id == field
        )
        return next(lines, 1)


def _names_of(node: ast.Name | ast.alias) -> set[str | None]:
    return {node.id} if isinstance(node, ast.Name) else {node.name, node.asname}
