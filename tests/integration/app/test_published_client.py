"""The published client `fasttask-manager`, sync and async, unmodified."""

import asyncio
import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
from fasttask_manager.async_manager import AsyncManager
from fasttask_manager.manager import Manager
from tenacity import RetryError

from tests.integration.app.cluster import HOST, Cluster, Gateway
from tests.waiting import wait_until

USER = ("user_A", "user_A_passwd")


@pytest.fixture(scope="module")
def locked(cluster: Cluster) -> Gateway:
    """A gateway with users."""
    gateway = cluster.add_gateway()
    gateway.users_file.write_text(json.dumps(dict([USER])))
    gateway.wait_ready()
    with gateway.client() as client:
        wait_until(lambda: client.get("/healthz").status_code == 401, within=2)
    return gateway


@pytest.fixture(params=["without users", "with users"])
def port_and_user(
    request: pytest.FixtureRequest, gateway: Gateway, locked: Gateway
) -> tuple[int, dict[str, str]]:
    """Where to call and as whom."""
    if request.param == "without users":
        return gateway.port, {}
    return locked.port, {"auth_user": USER[0], "auth_passwd": USER[1]}


@pytest.fixture(params=[Manager, AsyncManager])
def call(
    request: pytest.FixtureRequest, port_and_user: tuple[int, dict[str, str]]
) -> Callable[..., Any]:
    """Calls a method of the client by name and awaits it if need be."""
    port, user = port_and_user
    manager = request.param(HOST, protocol="https", port=port, tries=1, delay=0, **user)

    def call(name: str, *args: Any, **kwargs: Any) -> Any:
        return result_of(getattr(manager, name)(*args, **kwargs))

    return call


def result_of(answer: Any) -> Any:
    """What a method of the sync or of the async client answers in the end."""
    return asyncio.run(answer) if inspect.iscoroutine(answer) else answer


def test_run(call: Callable[..., Any]) -> None:
    record = call("run", "add", {"a": 10**25, "b": 1})

    assert (record["state"], record["result"]) == ("SUCCESS", {"total": 10**25 + 1})


def test_create_task_and_check(call: Callable[..., Any]) -> None:
    created = call("create_task", "add", {"a": 2, "b": 3})
    record = created
    while record["state"] in ("PENDING", "STARTED"):
        record = call("check", "add", created["id"])

    assert record["id"] == created["id"]
    assert (record["state"], record["result"], record["result_type"]) == (
        "SUCCESS", {"total": 5}, "json",
    )  # fmt: skip


def test_create_and_wait_result(call: Callable[..., Any]) -> None:
    assert call("create_and_wait_result", "add", {"a": 2, "b": 3}, check_gap=0.01) == {"total": 5}


def test_create_and_wait_result_with_concurrency_params(call: Callable[..., Any]) -> None:
    key = {"concurrency_key": "published client", "max_concurrency": 1}
    params = {"a": 1, "fasttask_concurrency_params": key}

    assert call("create_and_wait_result", "add", params, check_gap=0.01) == {"total": 1}


def test_create_and_wait_result_raises_what_the_task_raised(call: Callable[..., Any]) -> None:
    params = {"how": "raise_error", "text": "wrong side"}
    with pytest.raises(Exception, match=r"(?s)^task: Traceback.*ValueError: wrong side") as raised:
        call("create_and_wait_result", "act", params, check_gap=0.01)

    assert type(raised.value) is Exception


def test_revoke(call: Callable[..., Any], tmp_path: Path) -> None:
    job_id = call("create_task", "hold", {"record": str(tmp_path / "held")})["id"]
    answer = call("revoke", job_id)
    record = call("check", "hold", job_id)

    assert answer["status"] == "SUCCESS"
    assert (record["state"], record["result_type"]) == ("REVOKED", "text")
    assert call("revoke", "unknown")["status"] == "FAILURE"


class Revoking:
    """A logger that revokes each job of which the client says that it was created."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def info(self, text: str) -> None:
        if found := re.search("create_task resp: .*'id': '([^']+)'", text):
            self._client.post("/revoke", json={"result_id": found[1]})

    def debug(self, text: str) -> None:
        """Nothing to do."""


@pytest.mark.parametrize("kind", [Manager, AsyncManager])
def test_create_and_wait_result_raises_when_the_job_is_revoked(
    kind: Any, gateway: Gateway, client: httpx.Client, tmp_path: Path
) -> None:
    manager = kind(HOST, protocol="https", port=gateway.port, tries=1, logger=Revoking(client))
    with pytest.raises(Exception, match=r"^task revoked: revoked"):
        result_of(
            manager.create_and_wait_result(
                "hold", {"record": str(tmp_path / "held")}, check_gap=0.01
            )
        )


def test_check_of_an_unknown_id_is_a_failure(call: Callable[..., Any]) -> None:
    record = call("check", "add", "of-another-cluster")

    assert record["state"] == "FAILURE"
    assert "RUNNING_ID" in record["result"]


@pytest.mark.parametrize("name", ["data.bin", "with space ü 文件 😀.txt"])
def test_upload_and_download(call: Callable[..., Any], tmp_path: Path, name: str) -> None:
    content = bytes(range(256)) * 300
    (tmp_path / name).write_bytes(content)
    stored = call("upload", str(tmp_path / name))
    call("download", stored, str(tmp_path / "back"))

    assert stored.endswith(f"_{name}")
    assert (tmp_path / "back").read_bytes() == content


@pytest.mark.parametrize(
    ("method", "arguments", "status"),
    [
        ("run", ("no_such_task", {}), 404),
        ("create_task", ("add", {"a": "?"}), 422),
        ("download", ("missing", "somewhere"), 404),
        ("download", ("../up", "somewhere"), 400),
    ],
)
def test_errors_are_raised_by_status(
    call: Callable[..., Any], method: str, arguments: tuple[Any, ...], status: int
) -> None:
    with pytest.raises((requests.HTTPError, httpx.HTTPStatusError, RetryError)) as raised:
        call(method, *arguments)

    error: Any = raised.value
    error = error.last_attempt.exception() if isinstance(error, RetryError) else error
    assert error.response.status_code == status


@pytest.mark.parametrize("kind", [Manager, AsyncManager])
def test_wrong_credentials_are_refused(kind: Any, locked: Gateway) -> None:
    manager = kind(HOST, protocol="https", port=locked.port, tries=1, auth_user="user_A")
    with pytest.raises((requests.HTTPError, RetryError)):
        result_of(manager.run("add", {"a": 1}))
