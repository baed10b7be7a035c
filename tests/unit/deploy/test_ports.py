import socket
from collections.abc import Callable, Iterator

import pytest

from config.errors import ConfigurationError
from config.settings import NodeType, Settings
from deploy.ports import Listener, check_ports, listeners
from tests.ipv6 import needs_ipv6
from tests.ports import kept_port


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def free_port() -> Iterator[int]:
    with kept_port() as port:
        yield port


def test_a_free_port_is_fine(node: Callable[..., Settings], free_port: int) -> None:
    check_ports(node(api_port=free_port))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "0.0.0.0", "localhost", pytest.param("::", marks=needs_ipv6)]
)
def test_a_port_in_use_is_named(node: Callable[..., Settings], taken_port: int, host: str) -> None:
    with pytest.raises(ConfigurationError, match=f"API_PORT={taken_port} is in use"):
        check_ports(node(api_port=taken_port, api_host=host))


@needs_ipv6
def test_a_port_in_use_by_ipv6_is_named(node: Callable[..., Settings]) -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        port = server.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"API_PORT={port} is in use"):
            check_ports(node(api_port=port, api_host="::1"))
        check_ports(node(api_port=port, api_host="127.0.0.1"))


def test_all_ports_in_use_are_named_at_once(
    node: Callable[..., Settings], taken_port: int, free_port: int
) -> None:
    with (
        socket.create_server(("127.0.0.1", free_port)),
        pytest.raises(ConfigurationError) as caught,
    ):
        check_ports(node(api_port=taken_port, task_queue_port=free_port))
    assert [line.split("=")[0] for line in caught.value.lines] == ["API_PORT", "TASK_QUEUE_PORT"]


def test_a_port_that_was_in_use_just_now_is_free(
    node: Callable[..., Settings], free_port: int
) -> None:
    with (
        socket.create_server(("127.0.0.1", free_port)) as server,
        socket.create_connection(("127.0.0.1", free_port)) as client,
    ):
        accepted, _ = server.accept()
        accepted.close()  # the side that closes first keeps the port in TIME_WAIT
        assert client.recv(1) == b""
    check_ports(node(api_port=free_port))


@pytest.mark.parametrize(
    ("host", "problem"),
    [
        ("192.0.2.1", "is no address of this machine"),
        ("no-such-host.invalid", "is no address of this machine"),
        ("2001:db8::1", "is no address of this machine"),
    ],
)
def test_an_address_of_another_machine_is_named(
    node: Callable[..., Settings], host: str, problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"API_HOST={host} {problem}"):
        check_ports(node(api_host=host))


def test_a_worker_listens_nowhere(node: Callable[..., Settings]) -> None:
    settings = node(
        node_type=NodeType.WORKER, master_host="h", task_queue_port=1, task_queue_passwd="x"
    )
    assert list(listeners(settings)) == []


def test_a_masters_queue_server_listens_for_other_machines(
    node: Callable[..., Settings],
) -> None:
    settings = node(node_type=NodeType.MASTER, task_queue_passwd="x")
    assert list(listeners(settings)) == [
        Listener("API", "0.0.0.0", 9001),
        Listener("TASK_QUEUE", "0.0.0.0", 6379),
    ]
