"""The registry: a task file is loaded, or refused with file, line and remedy."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.errors import ConfigurationError
from config.registry import TaskSpec, check_schemas, load_tasks
from config.task_names import task_names_in
from tests.conftest import PROJECT

MODELS = """from pydantic import BaseModel
class Params(BaseModel):
    a: int
class Result(BaseModel):
    b: int
"""


@pytest.fixture(autouse=True)
def clean_interpreter() -> Iterator[None]:
    """Loading tasks leaves modules and a path behind; a test must not."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., TaskSpec]:
    """Writes a task file and loads it."""

    def write_and_load(source: str, name: str = "mine", *, models: str = MODELS) -> TaskSpec:
        (tmp_path / f"{name}.py").write_text(models + source, encoding="utf-8")
        return load_tasks(tmp_path, (name,))[name]

    return write_and_load


def test_the_shipped_examples_load() -> None:
    names = task_names_in(PROJECT / "tasks")
    specs = load_tasks(PROJECT / "tasks", names)

    assert list(specs) == ["get_circle_area", "get_hypotenuse"]
    assert set(specs["get_hypotenuse"].params.model_fields) == {"a", "b"}
    assert specs["get_circle_area"].function(radius=1)["area"] == pytest.approx(3.14159, 1e-4)
    assert specs["get_circle_area"].summary == "The area of a circle with the given radius."


@pytest.mark.parametrize(
    "function",
    [
        "def mine(a): ...",
        "def mine(*, a): ...",
        "def mine(a, more=1): ...",
        "def mine(**anything): ...",
        "mine = lambda a: None",
        "def other(a): ...\nmine = other",
    ],
)
def test_a_callable_that_takes_the_params_is_a_task(
    load: Callable[..., TaskSpec], function: str
) -> None:
    spec = load(function)

    assert (spec.name, spec.params.__name__, spec.result.__name__) == ("mine", "Params", "Result")


@pytest.mark.parametrize(
    ("function", "line", "says"),
    [
        ("def mine(:", 6, "syntax error"),
        ("x = 1", 1, "holds no function named mine; name the function like the file"),
        ("mine = 3", 6, "mine is not a function"),
        ("async def mine(a): ...", 6, "mine is async; make it a plain function"),
        ("def mine(a, /): ...", 6, "remove the '/'"),
        ("def mine(): ...", 6, "Params has 'a', which mine does not take"),
        ("\ndef mine(a, c): ...", 7, "mine takes 'c', which Params does not have"),
        ("\n\nimport not_there\ndef mine(a): ...", 8, "ModuleNotFoundError"),
        ("def mine(a): ...\n1 / 0", 7, "ZeroDivisionError"),
        ("def mine(a): ...\nraise SystemExit(3)", 7, "SystemExit"),
        ("Params = 3\ndef mine(a): ...", 1, "holds no Params model"),
        ("del Result\ndef mine(a): ...", 1, "holds no Result model; add: class Result"),
    ],
)
def test_a_file_that_is_no_task_is_refused(
    load: Callable[..., TaskSpec], tmp_path: Path, function: str, line: int, says: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(function)

    [text] = refused.value.lines
    assert text.startswith(f"{tmp_path}/mine.py:{line}: ")
    assert says in text


@pytest.mark.parametrize("name", ["json", "workers", "app", "_x", "with-dash", "grün"])
def test_a_name_that_cannot_be_a_task_is_refused(load: Callable[..., TaskSpec], name: str) -> None:
    before = sys.modules.get(name)
    with pytest.raises(ConfigurationError, match=r"rename the file|is no task name"):
        load(f"def {name.replace('-', '_')}(a): ...", name)
    assert sys.modules.get(name) is before


def test_a_task_that_would_hide_the_sum_over_all_tasks_is_refused(
    load: Callable[..., TaskSpec], tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load("def total(a): ...", "total")

    [text] = refused.value.lines
    assert text.startswith(f"{tmp_path}/total.py:1: ")
    assert "status_info" in text
    assert text.endswith("rename the file and its function")


def test_our_own_field_cannot_be_a_users(load: Callable[..., TaskSpec]) -> None:
    models = MODELS.replace("a: int", "fasttask_concurrency_params: int")
    with pytest.raises(ConfigurationError, match="rename it"):
        load("def mine(fasttask_concurrency_params): ...", models=models)


@pytest.mark.parametrize(
    ("field", "line", "says"),
    [
        ("a: SecretStr", 8, "Params.a is masked in JSON (SecretStr)"),
        ("a: list[SecretBytes | None] = []", 8, "Params.a is masked in JSON (SecretBytes)"),
        ("a: Secret[int]", 8, "Params.a is masked in JSON (Secret"),
        ("a: Annotated[dict[str, SecretStr], 'x']", 8, "masked"),
        ("a: int = Field(1, exclude=True)", 8, "Params.a is left out of JSON (exclude)"),
        ("a: int = Field(1, exclude_if=bool)", 8, "left out"),
        ("a: Inner", 5, "Inner.inside is masked"),
        ("a: 'list[Params | Inner]'", 5, "Inner.inside is masked"),
    ],
)
def test_a_field_that_would_not_reach_the_task_is_refused(
    load: Callable[..., TaskSpec], tmp_path: Path, field: str, line: int, says: str
) -> None:
    models = f"""from typing import Annotated
from pydantic import BaseModel, Field, Secret, SecretBytes, SecretStr

class Inner(BaseModel):
    inside: SecretStr

class Params(BaseModel):
    {field}
class Result(BaseModel):
    hidden: SecretStr = Field("", exclude=True)
"""
    with pytest.raises(ConfigurationError) as refused:
        load("def mine(a): ...", models=models)

    [text] = refused.value.lines
    assert text.startswith(f"{tmp_path}/mine.py:{line}: ")
    assert says in text
    assert "\n" not in text


def test_models_that_contain_themselves_are_fine(load: Callable[..., TaskSpec]) -> None:
    load("def mine(a): ...", models=MODELS.replace("a: int", "a: 'dict[str, Params] | None'"))


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_bytes(b"\x00\xff\xfe")
    with pytest.raises(ConfigurationError, match=r"mine\.py:1: "):
        load_tasks(tmp_path, ("mine",))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_tasks(tmp_path, ("mine",))


def test_all_broken_files_are_told_at_once(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text("def (")
    with pytest.raises(ConfigurationError) as refused:
        load_tasks(tmp_path, ("one", "two"))

    assert len(refused.value.lines) == 2


def test_helpers_are_imported_from_packages(load: Callable[..., TaskSpec], tmp_path: Path) -> None:
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "mine_helper.py").write_text("VALUE = 7")
    spec = load("from packages.mine_helper import VALUE\ndef mine(a):\n    return VALUE")

    assert spec.function(a=1) == 7


def test_files_that_begin_with_an_underscore_are_no_tasks(tmp_path: Path) -> None:
    for name in ("__init__.py", "_draft.py", "b.py", "a.py", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "packages").mkdir()

    assert task_names_in(tmp_path) == ("a", "b")


LATER = """from __future__ import annotations
from pydantic import BaseModel, RootModel
class Params(BaseModel):
    a: {}
class Result(BaseModel):
    b: int
class Point(BaseModel):
    x: int
"""


ROOT = """
from pydantic import BaseModel, RootModel
class Params(RootModel[int]): ...
class Result(BaseModel): ...
"""


def test_a_field_may_name_what_is_defined_below_it(load: Callable[..., TaskSpec]) -> None:
    spec = load("def mine(a): ...", models=LATER.format("Point"))

    assert spec.params.model_validate({"a": {"x": 1}})


@pytest.mark.parametrize(
    ("models", "says"),
    [
        (LATER.format("Nope"), "Params is not complete: name 'Nope' is not defined; define or"),
        (ROOT, "Params is a RootModel; make it a BaseModel"),
    ],
)
def test_models_that_nobody_could_ask_for_are_refused(
    load: Callable[..., TaskSpec], tmp_path: Path, models: str, says: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load("def mine(a): ...", models=models)

    [text] = refused.value.lines
    assert text.startswith(f"{tmp_path}/mine.py:3: {says}")


@pytest.mark.parametrize("name", ["Params", "Result"])
def test_a_model_without_a_json_schema_is_refused(
    load: Callable[..., TaskSpec], tmp_path: Path, name: str
) -> None:
    callable_ = "from typing import Callable\n"
    before, after = MODELS.split(f"class {name}(BaseModel):\n")
    field = f"class {name}(BaseModel):\n    made_by: Callable[[], int] = int\n"
    models = callable_ + before + field + after
    spec = load("def mine(a, made_by=None): ...", models=models)

    with pytest.raises(ConfigurationError) as refused:
        check_schemas({"mine": spec}, tmp_path)

    [text] = refused.value.lines
    assert text.startswith(f"{tmp_path}/mine.py:1: Params or Result has no JSON schema: ")
    assert "WithJsonSchema" in text


def test_an_import_that_fails_in_a_helper_is_told_with_its_place(
    load: Callable[..., TaskSpec], tmp_path: Path
) -> None:
    (tmp_path / "packages").mkdir()
    helper = tmp_path / "packages" / "mine_helper.py"
    helper.write_text("\nraise RuntimeError('two\\nlines')")

    with pytest.raises(ConfigurationError) as refused:
        load("from packages import mine_helper\ndef mine(a): ...")

    [text] = refused.value.lines
    assert text.startswith(f"{tmp_path}/mine.py:6: importing it raised RuntimeError at {helper}:2:")
    assert "\n" not in text
