"""The queue server: the node's own or another one, where it is, and its password."""

import re
from pathlib import Path

from pydantic import SecretStr, ValidationInfo, field_validator

from config.setting_groups.folders import FolderSettings
from config.setting_groups.group import Port
from config.setting_groups.node import NodeSettings, NodeType, is_master


class QueueServerSettings(FolderSettings, NodeSettings):
    """Where the queue server is, and its password."""

    task_queue_url: SecretStr | None = None
    master_host: str = ""  # its own machine, but on a worker
    task_queue_port: Port | None = None  # 6379 on a master
    task_queue_passwd: SecretStr | None = None

    @field_validator("master_host")
    @classmethod
    def _master_is_named(cls, value: str, info: ValidationInfo) -> str:
        if not value and needs_queue_address(info):
            raise ValueError(
                "is required on a distributed_worker: the name or address of the master"
            )
        return value or "127.0.0.1"

    @field_validator("task_queue_port")
    @classmethod
    def _port_is_known(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is None and needs_queue_address(info):
            raise ValueError(
                "is required on a distributed_worker: the port of the master's queue server"
            )
        return 6379 if value is None and is_master(info) else value

    @field_validator("task_queue_passwd")
    @classmethod
    def _network_queue_has_a_password(
        cls, value: SecretStr | None, info: ValidationInfo
    ) -> SecretStr | None:
        on_network = is_master(info) or needs_queue_address(info)
        if value is None and on_network and not info.data.get("task_queue_url"):
            raise ValueError(
                "is required on a distributed node: one password, "
                "the same on the master and on every worker"
            )
        if value is not None and not re.fullmatch(r"[\x21-\x7e]+", value.get_secret_value()):
            raise ValueError("must consist of printable ASCII characters without spaces")
        return value

    @property
    def has_queue_server(self) -> bool:
        """Whether this node starts a queue server of its own."""
        return self.node_type is not NodeType.WORKER and self.task_queue_url is None

    @property
    def queue_password_file(self) -> Path:
        """Holds the random password of a queue server that was given none; mode 0600."""
        return self.conf_dir / "queue_password"

    @property
    def queue_admin_password_file(self) -> Path:
        """Holds the random password of the queue server's user ``admin``; mode 0600.

        Whoever has TASK_QUEUE_PASSWD alone is the user ``default``, who may work and not rule.
        """
        return self.conf_dir / "queue_admin_password"

    def queue_password(self) -> str | None:
        """The queue server's password: the setting, else the one kept in the password file."""
        if self.task_queue_passwd is not None:
            return self.task_queue_passwd.get_secret_value()
        if self.queue_password_file.exists():
            return self.queue_password_file.read_text().strip()
        return None


def needs_queue_address(info: ValidationInfo) -> bool:
    """Whether a worker has to be told where the queue server is, for want of a TASK_QUEUE_URL."""
    return info.data.get("node_type") is NodeType.WORKER and not info.data.get("task_queue_url")
