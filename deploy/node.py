"""What a node was started with, kept for the commands that come later.

Their environment need not be the one of the start: ``API_PORT=9002 make up`` is followed by a
plain ``make status``.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from config.settings import PlaceSettings, Settings
from deploy.addresses import urls
from deploy.pid_file import holder, pid_file
from deploy.private_file import write_private


@dataclass(frozen=True, slots=True)
class Node:
    """A node that was started."""

    node_type: str
    urls: dict[str, str]  #: by the page's name
    grace_seconds: float
    ssl_certfile: str = ""


UNKNOWN = Node("node", {}, Settings.model_fields["grace_seconds"].default)


def remember_node(settings: Settings) -> None:
    """Write down what this node is being started with."""
    certificate = str(settings.ssl_certfile)
    node = Node(settings.node_type, urls(settings), settings.grace_seconds, certificate)
    write_private(_file(settings), json.dumps(asdict(node)))


def recall_node(settings: PlaceSettings) -> Node:
    """What the node of this FILES_DIR was started with; UNKNOWN as long as nobody can tell."""
    try:
        return Node(**json.loads(_file(settings).read_bytes()))
    except (OSError, ValueError, TypeError):  # it is just starting, or another version's node
        return UNKNOWN


def running_pid(settings: PlaceSettings) -> int | None:
    """The supervisor's process id if the node of this FILES_DIR runs."""
    return holder(pid_file(settings))


def _file(settings: PlaceSettings) -> Path:
    return settings.fasttask_files_dir / "node.json"
