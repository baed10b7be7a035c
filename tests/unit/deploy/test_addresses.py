from collections.abc import Callable

import pytest

from config.settings import NodeType, Settings
from deploy.addresses import curl_line, urls, warnings, worker_line

API = "https://127.0.0.1:9001"


def test_only_pages_that_are_switched_on_are_shown(node: Callable[..., Settings]) -> None:
    assert urls(node()) == {"API": API, "docs": f"{API}/docs", "redoc": f"{API}/redoc"}
    assert urls(node(api_docs=False, api_redoc=False)) == {"API": API}


def test_every_address_is_reached_by_loopback(node: Callable[..., Settings]) -> None:
    assert urls(node(api_host="0.0.0.0"))["API"] == API
    assert urls(node(api_host="192.0.2.1"))["API"] == "https://192.0.2.1:9001"
    assert urls(node(api_host="::"))["API"] == "https://[::1]:9001"
    assert urls(node(api_host="[2001:db8::1]"))["API"] == "https://[2001:db8::1]:9001"


@pytest.mark.parametrize(
    ("overrides", "part"),
    [
        ({}, "/run/get_circle_area -H 'Content-Type: application/json' -d '{\"radius\": 5.0}'"),
        ({"api_run": False}, "/create/get_circle_area "),
        ({"enabled_tasks": "get_hypotenuse"}, "/run/get_hypotenuse "),
        ({"api_run": False, "api_create": False}, "/healthz"),
    ],
)
def test_the_curl_line_uses_what_is_there(
    node: Callable[..., Settings], overrides: dict[str, object], part: str
) -> None:
    settings = node(**overrides)
    line = curl_line(settings)
    assert line.startswith(f"curl --cacert {settings.ssl_certfile} {API}")
    assert part in line


def test_the_curl_line_names_a_user_and_no_password(node: Callable[..., Settings]) -> None:
    settings = node()
    settings.users_file.write_text('{"user A": "passw0rd"}')
    assert " -u 'user A' " in curl_line(settings)
    assert "passw0rd" not in curl_line(settings)


def test_a_worker_is_told_everything_but_the_password(node: Callable[..., Settings]) -> None:
    line = worker_line(node(node_type=NodeType.MASTER, task_queue_passwd="passw0rd"))
    assert "TASK_QUEUE_PORT=6379" in line
    assert "make up-worker" in line
    assert "passw0rd" not in line


def test_a_url_of_a_queue_server_is_not_shown(node: Callable[..., Settings]) -> None:
    settings = node(node_type=NodeType.MASTER, task_queue_url="redis://:passw0rd@h")
    assert worker_line(settings) == "TASK_QUEUE_URL=<the one you set> make up-worker"


@pytest.mark.parametrize(
    ("api_host", "users", "warned"),
    [
        ("0.0.0.0", None, "anybody who reaches port 9001"),
        ("0.0.0.0", "{}", "anybody who reaches port 9001"),
        ("0.0.0.0", '{"user_A": "a"}', ""),
        ("127.0.0.1", None, ""),
        ("localhost", None, ""),
        ("::", None, "anybody who reaches port 9001"),
        ("::1", None, ""),
        ("127.0.0.1", "[", "nobody can log in"),
    ],
)
def test_who_can_use_the_node_is_said(
    node: Callable[..., Settings], api_host: str, users: str | None, warned: str
) -> None:
    settings = node(api_host=api_host)
    if users is not None:
        settings.users_file.write_text(users)
    text = "\n".join(warnings(settings))
    assert bool(text) == bool(warned)
    assert warned in text


def test_a_worker_serves_nobody(node: Callable[..., Settings]) -> None:
    settings = node(
        node_type=NodeType.WORKER,
        master_host="h",
        task_queue_port=1,
        task_queue_passwd="x",
        api_host="0.0.0.0",
    )
    assert urls(settings) == {}
    assert warnings(settings) == []
