"""Which tasks a node has, whom they run as, and what a process that runs them may use."""

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from config.setting_groups.folders import FolderSettings
from config.setting_groups.group import Count
from config.setting_groups.node import NodeSettings, is_master
from config.task_names import task_names_in
from config.task_user import TaskUser, find_task_user

FEWEST_OPEN_FILES = 32  # a task's process begins with about ten

CommaList = Annotated[tuple[str, ...], NoDecode]


class TaskSettings(FolderSettings, NodeSettings):
    """The tasks in effect, their user, and their limits; those of time are a group of their own."""

    task_user: str | None = None
    task_memory_bytes: Count = Field(0, ge=0)
    task_cpu_seconds: Count = Field(0, ge=0)
    task_open_files: Count = Field(0, ge=0)
    enabled_tasks: CommaList = ()
    disabled_tasks: CommaList = ()

    @field_validator("task_user")
    @classmethod
    def _user_that_can_be_had(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and not is_master(info):
            find_task_user(value)
        return value

    @field_validator("task_open_files")
    @classmethod
    def _enough_to_run_at_all(cls, value: int) -> int:
        if 0 < value < FEWEST_OPEN_FILES:
            raise ValueError(f"must be at least {FEWEST_OPEN_FILES}, or 0 for no limit")
        return value

    @field_validator("enabled_tasks", "disabled_tasks", mode="before")
    @classmethod
    def _split_at_commas(cls, value: str | tuple[str, ...]) -> tuple[str, ...]:
        if not isinstance(value, str):
            return tuple(value)
        named = (name.strip() for name in value.split(","))
        return tuple(dict.fromkeys(filter(None, named)))  # one that is named twice counts once

    @field_validator("enabled_tasks", "disabled_tasks")
    @classmethod
    def _known_tasks(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        known = task_names_in(info.data["tasks_dir"]) if "tasks_dir" in info.data else names
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ValueError(
                f"names no such task: {', '.join(unknown)}; the known tasks are {', '.join(known)}"
            )
        return names

    @field_validator("disabled_tasks")
    @classmethod
    def _some_task_left(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if info.data.get("enabled_tasks") or "tasks_dir" not in info.data:
            return names
        if set(task_names_in(info.data["tasks_dir"])) <= set(names):
            raise ValueError("disables every task; leave at least one")
        return names

    @property
    def loaded_tasks(self) -> tuple[str, ...]:
        """The names of the tasks in effect on this node, sorted: LOADED_TASKS."""
        names = self.enabled_tasks or task_names_in(self.tasks_dir)
        return tuple(sorted(n for n in names if self.enabled_tasks or n not in self.disabled_tasks))

    @property
    def tasks_run_as(self) -> TaskUser | None:
        """The user of TASK_USER; None if tasks run as the node does."""
        return find_task_user(self.task_user) if self.task_user is not None else None
