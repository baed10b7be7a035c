"""The head of the OpenAPI page comes from a project's setting.py."""

from pathlib import Path

import pytest

from config.settings import load_settings


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "tasks").mkdir(parents=True)
    (folder / "tasks" / "echo.py").write_text("")
    (folder / "setting.py").write_text('project_title = "mine"\nproject_summary = print("no")\n')
    return folder


def test_a_project_named_by_its_tasks_folder(project: Path) -> None:
    assert load_settings(tasks_dir=project / "tasks").project_title == "mine"


def test_a_project_in_fasttasks_own_folder_as_in_an_image_made_from_ours(project: Path) -> None:
    assert load_settings(fasttask_dir=project).project_title == "mine"


def test_the_environment_wins(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROJECT_TITLE", "theirs")
    assert load_settings(tasks_dir=project / "tasks").project_title == "theirs"


def test_only_literals_count_and_nothing_is_run(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = load_settings(tasks_dir=project / "tasks")
    assert settings.project_summary == type(settings).model_fields["project_summary"].default
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("text", ["project_title = ", "\0", 'project_title = "a" + "b"'])
def test_a_file_that_says_nothing_readable_changes_nothing(project: Path, text: str) -> None:
    (project / "setting.py").write_text(text)
    assert load_settings(tasks_dir=project / "tasks").project_title == "FastTask"
