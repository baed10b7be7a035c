"""What kind of node this is, and so which parts it has."""

from enum import StrEnum

from pydantic import Field, ValidationInfo

from config.setting_groups.group import SettingGroup


class NodeType(StrEnum):
    """What a node runs."""

    SINGLE = "single_node"  #: queue server, API and worker on one machine
    MASTER = "distributed_master"  #: queue server and API, executes nothing
    WORKER = "distributed_worker"  #: a worker that connects to a master's queue server


class NodeSettings(SettingGroup):
    """The node's type, and the first part of its jobs' ids."""

    node_type: NodeType = NodeType.SINGLE
    running_id: str | None = Field(None, pattern=r"^[A-Za-z0-9_.-]{1,64}$")

    @property
    def has_api(self) -> bool:
        """Whether this node serves HTTPS."""
        return self.node_type is not NodeType.WORKER

    @property
    def has_worker(self) -> bool:
        """Whether this node executes tasks."""
        return self.node_type is not NodeType.MASTER


def is_master(info: ValidationInfo) -> bool:
    """Whether the settings checked so far are those of a master."""
    return info.data.get("node_type") is NodeType.MASTER
