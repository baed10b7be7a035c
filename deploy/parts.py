"""The parts of a running node, as the supervisor tells of them."""

import http.client
import socket
import xmlrpc.client
from dataclasses import dataclass
from pathlib import Path

from config.settings import PlaceSettings
from deploy.sockets import supervisor_socket

TIMEOUT_SECONDS = 10.0
SHUTDOWN_STATE = 6  # supervisor.xmlrpc.Faults, without what else is loaded there


class SupervisorSilent(Exception):
    """The supervisor does not answer: it is just starting or ending, or it hangs."""


class SupervisorStopping(SupervisorSilent):
    """The supervisor is stopping the parts, and will end then; it tells no more of them."""


@dataclass(frozen=True, slots=True)
class Part:
    """One process that the supervisor keeps alive."""

    name: str
    state: str  #: STARTING, RUNNING, BACKOFF, EXITED, ...: supervisord.org/subprocess.html
    pid: int  #: 0 while there is no process
    started: int  #: seconds since the epoch
    uptime_seconds: int
    error: str  #: why it could not be started the last time, or nothing
    log: Path


def parts_of_node(settings: PlaceSettings) -> list[Part]:
    """All parts, in the order of their names.

    Raises:
        SupervisorStopping: the node is being stopped.
        SupervisorSilent: nobody answers on the supervisor's socket.
    """
    path = supervisor_socket(settings)
    try:
        with xmlrpc.client.ServerProxy("http://localhost", _UnixTransport(path)) as supervisor:
            rows = supervisor.supervisor.getAllProcessInfo()
    except xmlrpc.client.Fault as fault:
        if fault.faultCode == SHUTDOWN_STATE:
            raise SupervisorStopping("the node is being stopped") from None
        raise SupervisorSilent(f"{path}: {fault}") from None
    except (OSError, http.client.HTTPException, xmlrpc.client.Error) as error:
        raise SupervisorSilent(f"{path}: {error}") from None
    assert isinstance(rows, list)
    return sorted((_part(row) for row in rows), key=lambda part: part.name)


def _part(row: dict[str, int | str]) -> Part:
    running = bool(row["pid"])
    return Part(
        name=str(row["name"]),
        state=str(row["statename"]),
        pid=int(row["pid"]),
        started=int(row["start"]),
        uptime_seconds=int(row["now"]) - int(row["start"]) if running else 0,
        error=str(row["spawnerr"]),
        log=Path(str(row["stdout_logfile"])),
    )


class _UnixTransport(xmlrpc.client.Transport):
    """XML-RPC over a unix socket, with a limit to every wait."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: tuple[str, dict[str, str]] | str) -> http.client.HTTPConnection:
        connection = _UnixConnection(self._path)
        self._connection = host, connection  # where the base class looks for what it has to close
        return connection


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(TIMEOUT_SECONDS)
        self.sock.connect(str(self._path))
