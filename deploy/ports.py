"""The ports of a node: known to be free before anything starts."""

import errno
from collections.abc import Iterator
from dataclasses import dataclass

from config.errors import ConfigurationError
from config.hosts import bound_socket
from config.settings import NodeType, Settings


@dataclass(frozen=True, slots=True)
class Listener:
    """An address that a part of the node is going to listen on."""

    part: str  #: "API" or "TASK_QUEUE", as the settings' names begin
    host: str
    port: int


def check_ports(settings: Settings) -> None:
    """See that the node's ports are free and its addresses are this machine's.

    Raises:
        ConfigurationError: one line per address that cannot be listened on, with the remedy.
    """
    problems = [_problem(listener) for listener in listeners(settings)]
    if any(problems):
        raise ConfigurationError([problem for problem in problems if problem])


def listeners(settings: Settings) -> Iterator[Listener]:
    """Where the node listens on the network."""
    if settings.has_api:
        yield Listener("API", settings.api_host, settings.api_port)
    if settings.has_queue_server and settings.task_queue_port is not None:
        yield Listener("TASK_QUEUE", queue_server_host(settings), settings.task_queue_port)


def queue_server_host(settings: Settings) -> str:
    """The address that the queue server listens on: every one on a master, else loopback."""
    is_master = settings.node_type is NodeType.MASTER
    return "0.0.0.0" if is_master else "127.0.0.1"  # noqa: S104  its workers are elsewhere


def _problem(listener: Listener) -> str | None:
    try:
        bound_socket(listener.host, listener.port).close()
    except OSError as error:
        return _sentence(listener, error)
    return None


def _sentence(listener: Listener, error: OSError) -> str:
    host, port = f"{listener.part}_HOST={listener.host}", f"{listener.part}_PORT={listener.port}"
    if error.errno == errno.EADDRINUSE:
        return f"{port} is in use by another program; stop that one or choose another port"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{port} is reserved for the system's administrator; choose one above 1023"
    return f"{host} is no address of this machine ({error.strerror}); choose one that is"
