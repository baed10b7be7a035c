"""What the OpenAPI page says of the user's project."""

from config.setting_groups.group import SettingGroup


class ProjectSettings(SettingGroup):
    """The page's head; a project's `setting.py` may say it too: see config/project_file.py."""

    project_title: str = "FastTask"
    project_summary: str = "Python functions as reliable HTTPS APIs"
    project_description: str = "One tag a task: run it and wait, or create it and check later."
    project_version: str = "1.0.0"
