"""The supervisor, which keeps the parts of a node alive: its configuration and its start."""

import math
import os
import pwd
import resource
import shlex
import sys
from pathlib import Path
from typing import NoReturn

from config.errors import ConfigurationError
from config.hosts import is_ipv6
from config.settings import Settings, node_environment
from deploy.pid_file import pid_file
from deploy.private_file import write_private
from deploy.queue_server import ENVIRONMENT, LOG_FOLDER, needed_to_start
from deploy.sockets import supervisor_socket

LOG_ROTATION = {"maxbytes": "10MB", "backups": "5"}
FOR_EVER = "1000000000"
# Higher numbers stop first, each part waits for the one before: the API takes no new requests
# while the worker finishes what it can, and the queue server is there to take back the rest.
API, WORKER, QUEUE_CERTIFICATE, QUEUE, QUEUE_SYNC = "30", "20", "15", "10", "5"
API_STOP_SECONDS = 7
QUEUE_STOP_SECONDS = 3
QUEUE_SYNC_STOP_SECONDS = 2
QUEUE_CERTIFICATE_STOP_SECONDS = 2
WORKER_STOP_SECONDS_OVER_GRACE = 10
# How many files and connections each part may have open, where the machine allows it.
OPEN_FILES = 65_536

Section = dict[str, str]


def stop_seconds(grace_seconds: float) -> float:
    """How long the supervisor takes at most to stop all parts, killing those that hang."""
    queue = QUEUE_STOP_SECONDS + QUEUE_SYNC_STOP_SECONDS + QUEUE_CERTIFICATE_STOP_SECONDS
    return API_STOP_SECONDS + grace_seconds + WORKER_STOP_SECONDS_OVER_GRACE + queue


def write_supervisor_configuration(settings: Settings, queue_server: Path | None) -> Path:
    """Write the configuration file; its path.

    Raises:
        ConfigurationError: it cannot be written, or a path cannot stand in it.
    """
    path = settings.fasttask_files_dir / "supervisord.conf"
    write_private(path, supervisor_configuration(settings, queue_server))
    return path


def become_supervisor(configuration: Path) -> NoReturn:
    """Replace this process by the supervisor, in the foreground."""
    command = [sys.executable, "-m", "deploy.supervisord", "-n", "-c", str(configuration)]
    os.execve(sys.executable, command, node_environment(os.getpid()))


def supervisor_configuration(settings: Settings, queue_server: Path | None) -> str:
    """The configuration file's text: the supervisor itself and one program per part of the node.

    ``queue_server`` is the program of the node's own, if it starts one. The supervisor will be this
    process. The parts inherit folder and environment, so that no setting and no secret stands here.

    Raises:
        ConfigurationError: a path cannot be written in the file's syntax.
    """
    sections = {
        "unix_http_server": {"file": spelled(supervisor_socket(settings)), "chmod": "0700"},
        "supervisord": _supervisor(settings),
        "rpcinterface:supervisor": {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        },
    }
    if settings.has_queue_server:
        assert queue_server is not None
        sections["program:queue"] = _queue(settings, queue_server)
        if settings.durability == "everysec":
            sections["program:queue_sync"] = _queue_sync(settings)
        if settings.serves_queue_over_tls:
            sections["program:queue_certificate"] = _queue_certificate(settings)
    if settings.has_worker:
        sections["program:worker"] = _worker(settings)
    if settings.has_api:
        sections |= _api(settings)
    return "\n".join(f"[{name}]\n{_lines(section)}" for name, section in sections.items())


def spelled(value: object, expansions: int = 1) -> str:
    """A value as it stands in the file; the supervisor expands % in it ``expansions`` times.

    Raises:
        ConfigurationError: the syntax has no way to write it.
    """
    text = str(value)
    if any(mark in text for mark in (" ;", " #", "\n", "\r")) or text != text.strip():
        raise ConfigurationError(
            [
                f"the path {text!r} cannot be used: the supervisor takes no line breaks, no blank "
                "at the end, and no blank before # or ; in one. Choose another FILES_DIR"
            ]
        )
    return text.replace("%", "%" * 2**expansions)


def _supervisor(settings: Settings) -> Section:
    section = {
        "nodaemon": "true",
        "silent": "true",
        "pidfile": spelled(pid_file(settings)),
        "logfile": spelled(settings.log_dir / "supervisor.log"),
        **{f"logfile_{name}": value for name, value in LOG_ROTATION.items()},
        "minfds": str(_open_files()),
    }
    if os.getuid() == 0:  # said explicitly, or it warns at every start that it is root
        section["user"] = pwd.getpwuid(0).pw_name
    return section


def _queue(settings: Settings, server: Path) -> Section:
    needed = " ".join(map(_word, needed_to_start(settings, server)))
    return {
        **_part(f"deploy.queue_process {os.getpid()} {needed}", settings.log_dir / "queue.log"),
        "environment": ",".join(f'{name}="{value}"' for name, value in ENVIRONMENT.items()),
        "priority": QUEUE,
        "stopwaitsecs": str(QUEUE_STOP_SECONDS),
    }


def _queue_sync(settings: Settings) -> Section:
    command = f"deploy.queue_sync {os.getpid()} {_word(settings.redis_dir / LOG_FOLDER)}"
    return {
        **_part(command, settings.log_dir / "queue_sync.log"),
        "priority": QUEUE_SYNC,
        "stopwaitsecs": str(QUEUE_SYNC_STOP_SECONDS),
    }


def _queue_certificate(settings: Settings) -> Section:
    return {
        **_part("deploy.queue_certificate", settings.log_dir / "queue_certificate.log"),
        "priority": QUEUE_CERTIFICATE,
        "stopwaitsecs": str(QUEUE_CERTIFICATE_STOP_SECONDS),
    }


def _worker(settings: Settings) -> Section:
    seconds = math.ceil(settings.grace_seconds) + WORKER_STOP_SECONDS_OVER_GRACE
    return {
        **_part("workers", settings.log_dir / "worker.log"),
        "priority": WORKER,
        "stopwaitsecs": str(seconds),
        # The worker sees to its own children.
        "stopasgroup": "false",
        "killasgroup": "false",
    }


def _api(settings: Settings) -> dict[str, Section]:
    """The API, whose listening socket the supervisor holds for it, unless it is one of IPv6."""
    part = _api_part(settings)
    if is_ipv6(settings.api_host):
        return {"program:api": part}
    return {
        "fcgi-program:api": {"socket": f"tcp://{settings.api_host}:{settings.api_port}", **part}
    }


def _api_part(settings: Settings) -> Section:
    return {
        **_part("app", settings.log_dir / "api.log"),
        "priority": API,
        "stopwaitsecs": str(API_STOP_SECONDS),
        # Its first process sees to the others.
        "stopasgroup": "false",
        "killasgroup": "false",
    }


def _part(module: str, log: Path) -> Section:
    """A program that is started again whenever it ends."""
    return {
        "command": spelled(f"{_word(sys.executable)} -m {module}"),
        "autorestart": "true",
        "startsecs": "1",
        "startretries": FOR_EVER,
        "redirect_stderr": "true",
        "stdout_logfile": spelled(log, expansions=2),
        **{f"stdout_logfile_{name}": value for name, value in LOG_ROTATION.items()},
    }


def _word(path: Path | str) -> str:
    return shlex.quote(str(path))


def _open_files() -> int:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)


def _lines(section: Section) -> str:
    return "".join(f"{name} = {value}\n" for name, value in section.items())
