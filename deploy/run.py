"""Be the node: make what it needs, then become its supervisor."""

import os
from typing import NoReturn

from config.settings import Settings
from deploy.addresses import warnings
from deploy.certificate import fingerprint, make_certificate
from deploy.checks import check_node
from deploy.folders import make_folders
from deploy.node import remember_node
from deploy.node_token import make_node_token
from deploy.pid_file import hold, pid_file
from deploy.queue_binary import queue_server_of
from deploy.queue_server import prepare_queue_server
from deploy.sockets import prepare_sockets
from deploy.supervisor import become_supervisor, write_supervisor_configuration
from deploy.terminal import say


def run(settings: Settings) -> NoReturn:
    """Run the node in the foreground.

    Raises:
        ConfigurationError: the node cannot start, or runs already; nothing was started.
    """
    make_folders(settings)
    lock = hold(pid_file(settings))
    check_node(settings)
    _become_node(settings, lock)


def run_checked(settings: Settings) -> NoReturn:
    """Run a node whose folders are made and that was seen to be able to start.

    Raises:
        ConfigurationError: it runs already, or what it needs cannot be made.
    """
    lock = hold(pid_file(settings))
    prepare_sockets(settings)  # what ended a former node may have removed their folder since
    _become_node(settings, lock)


def _become_node(settings: Settings, lock: int) -> NoReturn:
    if settings.has_api:
        make_certificate(settings)
        make_node_token(settings)
    if settings.has_queue_server:
        prepare_queue_server(settings)
    configuration = write_supervisor_configuration(settings, queue_server_of(settings))
    remember_node(settings)
    say(*warnings(settings), *_fingerprint(settings))
    os.set_inheritable(lock, True)  # the supervisor holds it, its children do not
    become_supervisor(configuration)


def _fingerprint(settings: Settings) -> list[str]:
    """What a worker trusts this node's queue server by; containers are started without `up`."""
    if not settings.serves_queue_over_tls:
        return []
    return [f"TASK_QUEUE_FINGERPRINT={fingerprint(settings)}"]
