"""Every setting of a node: read once from the environment and `.env`, checked, then frozen.

This is the only file that looks at the environment. Names, defaults and meaning are those of the
README's table. The settings themselves stand in `config/setting_groups`, a file per group. A
default that follows from another setting is derived there, so no other place computes one.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from config.errors import ConfigurationError
from config.project_file import PROJECT_ROOT, ProjectFileSource
from config.setting_groups.api import ApiSettings
from config.setting_groups.durability import DurabilitySettings
from config.setting_groups.folders import FolderSettings
from config.setting_groups.node import NodeSettings, NodeType
from config.setting_groups.places import PlaceSettings
from config.setting_groups.project import ProjectSettings
from config.setting_groups.queue_server import QueueServerSettings
from config.setting_groups.queue_tls import QueueTlsSettings
from config.setting_groups.request_limits import RequestLimitSettings
from config.setting_groups.routes import RouteSettings
from config.setting_groups.tasks import TaskSettings
from config.setting_groups.time_limits import TimeLimitSettings
from config.setting_groups.upkeep import UpkeepSettings
from config.setting_groups.worker import WorkerSettings

__all__ = [
    "PROJECT_ROOT",
    "NodeType",
    "PlaceSettings",
    "Settings",
    "load_places",
    "load_settings",
    "node_environment",
    "supervisor_pid",
    "task_environment",
]

SECRET_VARIABLES = ("TASK_QUEUE_PASSWD", "TASK_QUEUE_URL")
SUPERVISOR_VARIABLE = "FASTTASK_SUPERVISOR_PID"


READING = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, validate_default=True)


class _FromEnvironment(BaseSettings):
    """Where settings are looked for, the first place first."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  pydantic passes it by name
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, dotenv_settings, ProjectFileSource(settings_cls)

    @model_validator(mode="before")
    @classmethod
    def _empty_means_default(cls, data: dict[str, Any]) -> dict[str, Any]:
        # Compose files often carry NAME= for "not set". NODE_TYPE is the exception: the image
        # sets it to the empty string so that forgetting it is an error and not a single node.
        return {k: v for k, v in data.items() if v != "" or k == "node_type"}


# The first group stands last: pydantic takes the fields of the bases from the last to the first and
# checks them in that order. A rule sees only what was checked before it.
class Settings(
    ProjectSettings,
    UpkeepSettings,
    RouteSettings,
    RequestLimitSettings,
    ApiSettings,
    DurabilitySettings,
    QueueTlsSettings,
    QueueServerSettings,
    TaskSettings,
    WorkerSettings,
    TimeLimitSettings,
    FolderSettings,
    NodeSettings,
    _FromEnvironment,
):
    """The settings of one node; ``NAME`` in the environment is ``settings.name`` here."""

    model_config = READING

    debug: bool = False


class Places(PlaceSettings, _FromEnvironment):
    """Where a node's files are, whatever else is wrong with its settings."""

    model_config = READING


def load_settings(**overrides: Any) -> Settings:
    """Read and check all settings.

    ``overrides`` win over the environment; keys are the field names.

    Raises:
        ConfigurationError: one line per wrong setting, all of them at once.
    """
    with _mistakes_as_lines():
        return Settings(**overrides)


def load_places() -> Places:
    """Read and check no more than where a node's files are: all that is needed to stop it.

    Raises:
        ConfigurationError: as `load_settings`.
    """
    with _mistakes_as_lines():
        return Places()


@contextmanager
def _mistakes_as_lines() -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        # A default that follows from a wrong setting is no mistake of its own.
        mistakes = (e for e in error.errors() if e["type"] != "default_factory_not_called")
        raise ConfigurationError([_sentence(mistake) for mistake in mistakes]) from None
    except UnicodeDecodeError:
        raise ConfigurationError([".env is no UTF-8 text; save it as one"]) from None
    except OSError as error:
        file = error.filename or ".env"
        reason = f"{file} cannot be read ({error.strerror}); let the node's user read it"
        raise ConfigurationError([reason]) from None


def task_environment(settings: Settings) -> dict[str, str]:
    """The environment of user code: this process's, less the node's secrets and supervisor."""
    hidden = {*SECRET_VARIABLES, SUPERVISOR_VARIABLE}
    kept = {k: v for k, v in os.environ.items() if k not in hidden}
    return {**kept, "FILES_DIR": str(settings.files_dir), "TASKS_DIR": str(settings.tasks_dir)}


def node_environment(supervisor_pid: int) -> dict[str, str]:
    """The environment of a node's parts: this process's, and who their parent has to be."""
    return {**os.environ, SUPERVISOR_VARIABLE: str(supervisor_pid)}


def supervisor_pid() -> int | None:
    """The process id of the supervisor that this part belongs to; None if started by hand."""
    value = os.environ.get(SUPERVISOR_VARIABLE, "")
    return int(value) if value.isdecimal() else None


def _sentence(error: ErrorDetails) -> str:
    """One validation error as a sentence that names the variable, its value and what is wrong."""
    name = str(error["loc"][0]).upper() if error["loc"] else "settings"
    shown = "" if name in SECRET_VARIABLES or error["input"] in (None, "") else f"={error['input']}"
    if error["type"] == "enum" and error["input"] == "":
        return f"{name} is required: one of {', '.join(NodeType)}"
    return f"{name}{shown}: {error['msg'].removeprefix('Value error, ')}"
