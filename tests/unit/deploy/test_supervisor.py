import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from supervisor.options import ServerOptions

from config.errors import ConfigurationError
from config.settings import NodeType, Settings
from deploy.queue_server import ENVIRONMENT
from deploy.sockets import supervisor_socket
from deploy.supervisor import (
    stop_seconds,
    supervisor_configuration,
    write_supervisor_configuration,
)

WORKER = {
    "node_type": NodeType.WORKER,
    "master_host": "h",
    "task_queue_port": 1,
    "task_queue_passwd": "x",
}
SERVER = Path("/a server")
MASTER = {"node_type": NodeType.MASTER, "task_queue_passwd": "x"}


def understood(settings: Settings) -> Any:
    """The configuration as the supervisor itself reads it."""
    options = ServerOptions()
    server = SERVER if settings.has_queue_server else None
    options.realize(["-c", str(write_supervisor_configuration(settings, server))])
    return options


def programs(settings: Settings) -> dict[str, Any]:
    groups = understood(settings).process_group_configs
    return {process.name: process for group in groups for process in group.process_configs}


@pytest.mark.parametrize(
    ("overrides", "parts"),
    [
        ({}, {"queue", "queue_sync", "worker", "api"}),
        ({"durability": "always"}, {"queue", "worker", "api"}),
        (MASTER, {"queue", "queue_sync", "api"}),
        (
            {"task_queue_tls": True, **MASTER},
            {"queue", "queue_sync", "queue_certificate", "api"},
        ),
        (WORKER, {"worker"}),
        ({"task_queue_url": "redis://h"}, {"worker", "api"}),
    ],
)
def test_a_node_has_the_parts_of_its_type(
    node: Callable[..., Settings], overrides: dict[str, object], parts: set[str]
) -> None:
    assert programs(node(uvicorn_workers=2, **overrides)).keys() == parts


@pytest.mark.parametrize(
    "name",
    ["plain", "per%cent", "%(here)s", "a b", "a;b#c", 'it\'s "quoted"', "back\\slash", "Zoë"],
)
def test_any_path_is_understood(node: Callable[..., Settings], tmp_path: Path, name: str) -> None:
    settings = node(files_dir=tmp_path / name, uvicorn_workers=2)
    options, parts = understood(settings), programs(settings)
    assert options.pidfile == str(settings.fasttask_files_dir / "supervisor.pid")
    assert options.logfile == str(settings.log_dir / "supervisor.log")
    assert options.server_configs[0]["file"] == str(supervisor_socket(settings))
    assert {name: part.stdout_logfile for name, part in parts.items()} == {
        name: str(settings.log_dir / f"{name}.log") for name in parts
    }


@pytest.mark.parametrize("name", ["a #b", "a ;b", "a\nb", "[section]\r\n"])
def test_a_path_that_the_syntax_cannot_hold_is_refused(
    node: Callable[..., Settings], tmp_path: Path, name: str
) -> None:
    with pytest.raises(ConfigurationError, match="cannot be used: the supervisor takes no"):
        supervisor_configuration(node(files_dir=tmp_path / name), SERVER)


def test_each_part_runs_its_module_with_this_python(node: Callable[..., Settings]) -> None:
    settings = node(uvicorn_workers=1)
    folder = settings.queue_socket.parent if settings.queue_socket else ""
    assert {name: part.command for name, part in programs(settings).items()} == {
        "queue": f"{sys.executable} -m deploy.queue_process {os.getpid()} '{SERVER}' "
        f"{settings.redis_dir}/queue_server.conf {settings.redis_dir} {folder}",
        "queue_sync": f"{sys.executable} -m deploy.queue_sync {os.getpid()} "
        f"{settings.redis_dir}/appendonlydir",
        "worker": f"{sys.executable} -m workers",
        "api": f"{sys.executable} -m app",
    }


def test_the_queue_server_alone_keeps_more_memory_at_hand(node: Callable[..., Settings]) -> None:
    parts = programs(node())
    assert parts.pop("queue").environment == ENVIRONMENT
    assert not any(part.environment for part in parts.values())


def test_the_queue_server_stops_last_and_the_api_first(node: Callable[..., Settings]) -> None:
    groups = sorted(understood(node()).process_group_configs)
    assert [group.name for group in groups] == ["queue_sync", "queue", "worker", "api"]


def test_the_worker_gets_its_grace(node: Callable[..., Settings]) -> None:
    assert programs(node(grace_seconds=2.5))["worker"].stopwaitsecs == 13


def test_all_parts_may_stop_within_the_time_that_is_waited(node: Callable[..., Settings]) -> None:
    with_all_parts = node(
        uvicorn_workers=1, grace_seconds=7,
        task_queue_tls=True, task_queue_port=1, task_queue_passwd="x",
    )  # fmt: skip
    parts = programs(with_all_parts)
    assert sum(part.stopwaitsecs for part in parts.values()) == stop_seconds(7) == 31


def test_a_part_is_started_again_for_ever(node: Callable[..., Settings]) -> None:
    for part in programs(node()).values():
        assert part.autorestart.__name__ == "RestartUnconditionally"
        assert part.startretries >= 10**9


def test_the_supervisor_holds_the_socket_of_the_api(node: Callable[..., Settings]) -> None:
    settings = node(uvicorn_workers=3, api_port=9444)
    (api,) = (g for g in understood(settings).process_group_configs if g.name == "api")
    assert api.socket_config.url == "tcp://127.0.0.1:9444"
    assert len(api.process_configs) == 1, "its first process starts the others"


@pytest.mark.parametrize("host", ["::", "::1"])
def test_a_socket_of_ipv6_is_left_to_the_api(node: Callable[..., Settings], host: str) -> None:
    (api,) = (g for g in understood(node(api_host=host)).process_group_configs if g.name == "api")
    assert not hasattr(api, "socket_config")


def test_no_secret_stands_in_it(node: Callable[..., Settings]) -> None:
    settings = node(node_type=NodeType.MASTER, task_queue_passwd="passw0rd")
    assert "passw0rd" not in supervisor_configuration(settings, SERVER)
