"""The `setting.py` of a user's project: four names that head the OpenAPI page.

Projects made for the system that FastTask replaces carry this file beside their `tasks/`. It is
read, not run: only plain literals count.
"""

import ast
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

PROJECT_ROOT = Path(__file__).resolve().parent.parent
NAMES = ("project_title", "project_summary", "project_description", "project_version")


class ProjectFileSource(PydanticBaseSettingsSource):
    """Takes ``project_*`` from the `setting.py` beside the tasks folder, if there is one."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        """Part of the source interface; this source answers for all fields at once."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        root = Path(self.current_state.get("fasttask_dir") or PROJECT_ROOT)
        tasks_dir = Path(self.current_state.get("tasks_dir") or root / "tasks")
        return literals_in(tasks_dir.parent / "setting.py")


def literals_in(path: Path) -> dict[str, Any]:
    """The project's names that ``path`` assigns as literals; nothing if it cannot be parsed."""
    try:
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
    except (OSError, SyntaxError, ValueError):
        return {}
    return {
        target.id: _as_text(text, node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id in NAMES
    }


def _as_text(text: str, literal: ast.Constant) -> Any:
    """A literal's value; a number as it is spelled in the file, for a version 1.10 is not 1.1."""
    is_number = isinstance(literal.value, int | float) and not isinstance(literal.value, bool)
    return ast.get_source_segment(text, literal) if is_number else literal.value
