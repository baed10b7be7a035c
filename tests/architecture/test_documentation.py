"""What the documentation says is what there is."""

import re

import pytest

from config.settings import Settings
from config.task_names import task_names_in
from config.users import is_among
from tests.conftest import PROJECT

READMES = ("README.md", "README.zh-CN.md")


def text_of(name: str) -> str:
    return (PROJECT / name).read_text()


def settings_named_in(readme: str) -> set[str]:
    """The names in the first column of the table of settings."""
    table = re.split(r"^## (?:Settings|设置)$", text_of(readme), flags=re.MULTILINE)[1]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    return set(re.findall(r"`([A-Z_]+)`", "\n".join(row.split("|")[1] for row in rows)))


@pytest.mark.parametrize("readme", READMES)
def test_the_table_names_every_setting_and_no_other(readme: str) -> None:
    assert settings_named_in(readme) == {field.upper() for field in Settings.model_fields}


@pytest.mark.parametrize("readme", READMES)
def test_every_link_to_a_file_leads_somewhere(readme: str) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", text_of(readme))
    files = [link for link in links if "://" not in link]
    assert files
    assert [link for link in files if not (PROJECT / link).exists()] == []


@pytest.mark.parametrize("readme", READMES)
def test_every_make_command_is_a_target(readme: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE))
    used = set(re.findall(r"(?:`|\$ )(?:[A-Z_]+=\S+ )*make ([a-z-]+)", text_of(readme)))
    assert used
    assert used - targets == set()


@pytest.mark.parametrize("readme", READMES)
def test_every_user_that_is_made_may_run_tasks_that_there_are(readme: str) -> None:
    given = re.findall(r"make user .*TASKS='([^']+)'", text_of(readme))
    patterns = [pattern for tasks in given for pattern in tasks.split(",")]
    shipped = task_names_in(PROJECT / "tasks")
    assert patterns
    assert [one for one in patterns if not any(is_among(t, (one,)) for t in shipped)] == []


def test_both_readmes_have_the_same_tables() -> None:
    first_cells = [
        [line.split("|")[1].strip().replace("、", ", ") for line in text_of(name).splitlines()
         if line.startswith("| `") and "/" not in line.split("|")[1]]
        for name in READMES
    ]  # fmt: skip
    assert first_cells[0] == first_cells[1]
