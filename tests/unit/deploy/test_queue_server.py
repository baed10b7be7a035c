import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from config.errors import ConfigurationError
from config.settings import NodeType, Settings
from deploy.queue_server import (
    configuration_file,
    prepare_queue_server,
    queue_server_configuration,
    quoted,
)


def lines(settings: Settings) -> dict[str, str]:
    """The configuration by its lines' first words."""
    prepare_queue_server(settings)
    text = queue_server_configuration(settings)
    return dict(line.split(" ", 1) for line in text.splitlines())


def test_a_single_node_listens_on_a_private_socket_only(node: Callable[..., Settings]) -> None:
    settings = node()
    configuration = lines(settings)
    assert configuration["port"] == "0"
    assert configuration["unixsocket"] == f'"{settings.queue_socket}"'
    assert configuration["unixsocketperm"] == "700"
    assert "bind" not in configuration


@pytest.mark.parametrize(
    ("node_type", "bind"), [(NodeType.SINGLE, "127.0.0.1"), (NodeType.MASTER, "0.0.0.0")]
)
def test_with_a_port_only_a_master_listens_for_other_machines(
    node: Callable[..., Settings], node_type: NodeType, bind: str
) -> None:
    settings = node(node_type=node_type, task_queue_port=6399, task_queue_passwd="x")
    configuration = lines(settings)
    assert (configuration["port"], configuration["bind"]) == ("6399", bind)
    assert "unixsocket" not in configuration


@pytest.mark.parametrize(("durability", "fsync"), [("everysec", "no"), ("always", "always")])
def test_nothing_acknowledged_is_lost_or_forgotten(
    node: Callable[..., Settings], durability: str, fsync: str
) -> None:
    configuration = lines(node(durability=durability))
    assert configuration["appendonly"] == "yes"
    assert configuration["appendfsync"] == fsync  # never everysec: see queue_sync
    assert configuration["maxmemory-policy"] == "noeviction"


def test_the_password_is_made_once_and_is_private(node: Callable[..., Settings]) -> None:
    settings = node()
    prepare_queue_server(settings)
    password = settings.queue_password()
    prepare_queue_server(settings)
    assert password is not None
    assert len(password) >= 43
    assert settings.queue_password() == password
    assert stat.S_IMODE(settings.queue_password_file.stat().st_mode) == 0o600


def test_the_admin_has_a_private_password_of_its_own(node: Callable[..., Settings]) -> None:
    settings = node(task_queue_passwd="given")
    prepare_queue_server(settings)
    password = settings.queue_admin_password_file.read_text()
    prepare_queue_server(settings)
    assert len(password) >= 43
    assert settings.queue_admin_password_file.read_text() == password
    assert stat.S_IMODE(settings.queue_admin_password_file.stat().st_mode) == 0o600


def test_with_tls_nothing_is_in_plain_text_but_the_private_socket(
    node: Callable[..., Settings],
) -> None:
    settings = node(
        node_type=NodeType.MASTER,
        task_queue_port=6399,
        task_queue_passwd="x",
        task_queue_tls=True,
    )
    configuration = lines(settings)
    assert (configuration["port"], configuration["tls-port"]) == ("0", "6399")
    assert configuration["unixsocket"] == f'"{settings.queue_socket}"'
    assert configuration["tls-key-file"] == f'"{settings.ssl_keyfile}"'


def test_an_empty_password_file_is_no_password(node: Callable[..., Settings]) -> None:
    settings = node()
    settings.queue_password_file.touch()
    prepare_queue_server(settings)
    assert settings.queue_password()


def test_a_given_password_is_not_written_to_the_password_file(
    node: Callable[..., Settings],
) -> None:
    settings = node(task_queue_passwd="told-by-me")
    assert settings.queue_password() == "told-by-me"
    prepare_queue_server(settings)
    assert "told-by-me" not in configuration_file(settings).read_text()
    assert not settings.queue_password_file.exists()


def test_the_configuration_is_private(node: Callable[..., Settings]) -> None:
    settings = node()
    prepare_queue_server(settings)
    assert stat.S_IMODE(configuration_file(settings).stat().st_mode) == 0o600


def test_there_is_no_configuration_without_a_password(node: Callable[..., Settings]) -> None:
    with pytest.raises(ConfigurationError, match="has no password"):
        queue_server_configuration(node())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", '"plain"'),
        ('a"b', r'"a\"b"'),
        ("a\\b", r'"a\\b"'),
        ("a b#c", '"a b#c"'),
        ("line\nbreak", r'"line\x0abreak"'),
        (Path("/Zoë"), r'"/Zo\xc3\xab"'),
    ],
)
def test_values_are_quoted(value: str | Path, text: str) -> None:
    assert quoted(value) == text
