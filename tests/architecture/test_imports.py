"""The rules of the design that a machine can check: who may import whom, and the scripts' heads."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import PROJECT
from workers.queue import scripts

OURS = ("app", "config", "deploy", "tasks", "tests", "workers")
MAY_IMPORT = {
    "tasks": ("packages", "workers.soft_limit"),
    "config": ("config",),
    "workers": ("config", "workers"),
    "app": ("app", "config", "workers.queue"),
    "deploy": ("config", "deploy"),
}


def sources(folder: str) -> Iterator[Path]:
    """The Python files of one of our folders."""
    return (PROJECT / folder).rglob("*.py")


def imports(path: Path) -> Iterator[str]:
    """Every module that a file names in an import, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_below(module: str, allowed: tuple[str, ...]) -> bool:
    """Whether a module is one of the allowed packages or lies in or above one of them."""
    return any(
        f"{module}.".startswith(f"{one}.") or f"{one}.".startswith(f"{module}.") for one in allowed
    )


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_imports_go_in_one_direction(folder: str) -> None:
    for path in sources(folder):
        for module in imports(path):
            if module.partition(".")[0] in OURS:
                assert is_below(module, MAY_IMPORT[folder]), f"{path} imports {module}"


def test_only_the_settings_look_at_the_environment() -> None:
    for folder in ("app", "config", "deploy", "workers"):
        for path in sources(folder):
            if path != PROJECT / "config" / "settings.py":
                found = re.findall(
                    r"os\.(?:environ|getenv|putenv)|import environ", path.read_text()
                )
                assert not found, f"{path}: {found}"


def test_nothing_prints_but_tasks() -> None:
    for folder in ("app", "config", "deploy", "workers"):
        for path in sources(folder):
            for node in ast.walk(ast.parse(path.read_bytes())):
                called = node.func if isinstance(node, ast.Call) else None
                assert not (isinstance(called, ast.Name) and called.id == "print"), path


SCRIPT_FILES = sorted(scripts.FOLDER.glob("*.lua"))


def test_every_script_file_is_a_script() -> None:
    assert {path.stem for path in SCRIPT_FILES} == {script.name for script in scripts.ALL}
    assert set((scripts.FOLDER / "common").iterdir()) == set(scripts.COMMON)


@pytest.mark.parametrize("path", SCRIPT_FILES, ids=lambda path: path.stem)
def test_a_script_begins_with_what_it_takes_and_answers(path: Path) -> None:
    head = "".join(re.match(r"(?:--.*\n)*", path.read_text()).group())  # type: ignore[union-attr]

    assert re.search(r"^--   ARGV  \S", head, re.MULTILINE)
    assert re.search(r"^--   ->    \S", head, re.MULTILINE)


@pytest.mark.parametrize("path", [*SCRIPT_FILES, *scripts.COMMON], ids=lambda path: path.stem)
def test_a_script_names_keys_by_their_constants_only(path: Path) -> None:
    assert not re.findall(r"""['"](?:arq|ft):""", path.read_text())
