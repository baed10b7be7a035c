"""The node of this FILES_DIR that is there already when one is to be started."""

import urllib.parse
from dataclasses import dataclass
from pathlib import Path

from config.settings import NodeType, Settings
from deploy.health import ailment
from deploy.node import Node, recall_node, running_pid
from deploy.parts import SupervisorSilent, SupervisorStopping, parts_of_node
from deploy.supervisor import stop_seconds
from deploy.waiting import Wait

PATIENCE_SECONDS = 10.0  # with one that is just starting, or a part of which is


@dataclass(frozen=True, slots=True)
class FormerNode:
    """A node that runs, and does not stop."""

    pid: int
    ailment: str | None  #: what is wrong with it, in words


def former_node(settings: Settings) -> FormerNode | None:
    """It, after some time to get well; None if there is none, after one that stops has ended.

    Raises:
        ConfigurationError: the users file is broken, so nobody can log in.
    """
    _wait_while_stopping(settings)
    wait = Wait(PATIENCE_SECONDS, "waiting for the node that is there already")
    found = None
    for _ in wait:
        pid = running_pid(settings)
        if pid is None:
            return None
        found = FormerNode(pid, _ailment(settings, recall_node(settings)))
        if found.ailment is None:
            return found
        wait.reason = found.ailment
    return found


def _wait_while_stopping(settings: Settings) -> None:
    seconds = stop_seconds(recall_node(settings).grace_seconds)
    for _ in Wait(seconds, "waiting for the former node, which is stopping, to end"):
        if running_pid(settings) is None or not _is_stopping(settings):
            return


def _is_stopping(settings: Settings) -> bool:
    try:
        parts_of_node(settings)
    except SupervisorStopping:
        return True
    except SupervisorSilent:
        return False
    return False


def _ailment(settings: Settings, node: Node) -> str | None:
    """What is wrong with a node; that a worker has no master is not: it keeps trying."""
    try:
        parts = parts_of_node(settings)
    except SupervisorSilent as error:
        return f"its supervisor does not answer: {error}"
    idle = [f"{part.name} ({part.state})" for part in parts if part.state != "RUNNING"]
    if idle:
        return f"these parts do not run: {', '.join(idle)}"
    return ailment(_as_started(settings, node)) if "API" in node.urls else None


def _as_started(settings: Settings, node: Node) -> Settings:
    """The settings by which its API is reached, whatever the environment is now."""
    api = urllib.parse.urlsplit(node.urls["API"])
    update = {"node_type": NodeType(node.node_type), "api_host": api.hostname, "api_port": api.port}
    certificate = Path(node.ssl_certfile or settings.ssl_certfile)
    return settings.model_copy(update={**update, "ssl_certfile": certificate})
