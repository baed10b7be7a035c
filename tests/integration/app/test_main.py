"""The gateway process: where it listens, how it starts and stops, what its settings change."""

import contextlib
import json
import signal
import threading
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.app.cluster import HOST, Certificate, Cluster, listening_socket
from tests.integration.app.conftest import Held
from tests.ports import kept_port
from tests.waiting import wait_until


def test_it_opens_its_own_socket_if_none_is_handed_over(own_cluster: Cluster) -> None:
    with kept_port() as port:
        gateway = own_cluster.add_gateway_by_itself(port)
        own_cluster.wait_ready()
    with gateway.client() as client:
        assert client.get("/healthz").status_code == 200


def test_it_speaks_https_only(client: httpx.Client) -> None:
    with httpx.Client(trust_env=False) as plain, pytest.raises(httpx.TransportError):
        plain.get(f"http://127.0.0.1:{client.base_url.port}/healthz")
    with httpx.Client(trust_env=False) as wary, pytest.raises(httpx.ConnectError, match="CERT"):
        wary.get(f"{client.base_url}/healthz")
    assert client.get("/healthz").status_code == 200


def test_a_connection_outlives_the_process_that_did_not_take_it_yet(own_cluster: Cluster) -> None:
    with listening_socket() as listening:
        first = own_cluster.add_gateway(listening)
        own_cluster.wait_ready()
        first.kill()
        answers: list[int] = []
        with first.client() as client:
            asking = threading.Thread(
                target=lambda: answers.append(client.get("/healthz").status_code)
            )
            asking.start()
            own_cluster.add_gateway(listening).wait_ready()
            asking.join(10)
            assert answers == [200]


def test_two_processes_share_a_socket_and_a_running_id(own_cluster: Cluster) -> None:
    own_cluster.add_worker()
    with listening_socket() as listening:
        gateways = [own_cluster.add_gateway(listening) for _ in range(2)]
        own_cluster.wait_ready()
    ids = set()
    for _ in range(10):
        with gateways[0].client() as client:
            made = client.post("/create/add", json={"a": 1}).json()["id"]
            assert client.get(f"/check/{made}", params={"wait": 10}).json()["state"] == "SUCCESS"
            ids.add(client.get("/status_info").json()["running_id"])

    assert len(ids) == 1


def test_it_stops_when_told_and_open_requests_are_let_end(
    own_cluster: Cluster, tmp_path: Path
) -> None:
    gateway = own_cluster.add_gateway()
    own_cluster.add_worker()
    own_cluster.wait_ready()
    with gateway.client() as client, gateway.socket() as other:
        job = Held(client, tmp_path / "held", {})
        wait_until(lambda: job.runs)
        other.sendall(f"GET /check/{job.id}?wait=20 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        # The request is in for sure when one that was sent after it has been answered.
        assert client.get("/healthz").status_code == 200
        gateway.process.send_signal(signal.SIGTERM)
        job.let_go()
        other.settimeout(10)
        answer = b"".join(iter(lambda: other.recv(65536), b""))
    gateway.process.wait(10)

    assert b'"state":"SUCCESS"' in answer
    assert "Traceback" not in gateway.log


def test_requests_that_never_end_do_not_keep_it_from_stopping_and_are_told_to_come_back(
    own_cluster: Cluster, tmp_path: Path
) -> None:
    """Plain ones, ones that FastAPI answers, and one whose answer has begun."""
    gateway = own_cluster.add_gateway()
    own_cluster.add_worker(WORKER_CONCURRENCY=3)
    own_cluster.wait_ready()
    held, plain, keyed = (tmp_path / name for name in ("held", "plain", "keyed"))
    with (own_cluster.files / "large").open("wb") as file:
        file.truncate(64 * 2**20)
    with gateway.client() as client, contextlib.ExitStack() as stack:

        def ask(method: str, path: str, body: str = "", **headers: str) -> HTTPSConnection:
            asking = HTTPSConnection(HOST, gateway.port, timeout=10, context=gateway.context)
            asking.request(method, path, body, {"Content-Type": "application/json", **headers})
            return stack.enter_context(contextlib.closing(asking))

        job = Held(client, held, {})
        order, key = {"record": str(keyed)}, {"Idempotency-Key": "k"}
        earlier = client.post("/create/hold", json=order, headers=key).json()["id"]
        waiting = [
            ask("GET", f"/check/{job.id}?wait=600"),
            ask("GET", f"/check/hold?result_id={job.id}&wait=6e2"),
            ask("POST", "/run/hold", json.dumps({"record": str(plain)})),
            ask("POST", "/run/hold", json.dumps(order), **key),
        ]
        ask("GET", "/download?file_name=large")
        wait_until(lambda: all(record.exists() for record in (held, plain, keyed)))
        assert client.get("/healthz").status_code == 200
        gateway.process.send_signal(signal.SIGTERM)
        for answer in (asking.getresponse() for asking in waiting):
            assert answer.status == 503
            assert int(answer.headers["Retry-After"]) > 0
            assert answer.headers["Connection"] == "close"
            assert set(json.load(answer)) == {"detail"}
    gateway.process.wait(10)
    assert "Traceback" not in gateway.log
    deeds = map(json.loads, (gateway.folder / "log" / "audit.log").read_text().splitlines())
    ran = {deed.get("about"): deed["result"] for deed in deeds if deed["what"] == "run hold"}
    assert list(ran.values()) == [503, 503]
    assert earlier in ran, "the job that the key had made before"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [("API_PORT", "99999", "API_PORT=99999"), ("TASKS_DIR", "/no/such/folder", "TASKS_DIR")],
)
def test_a_wrong_setting_stops_the_start_with_a_reason(
    own_cluster: Cluster, name: str, value: str, told: str
) -> None:
    with listening_socket() as listening:
        gateway = own_cluster.add_gateway(listening, **{name: value})
        assert gateway.process.wait(20) == 1

    assert "cannot_start" in gateway.log
    assert told in gateway.log
    assert "Traceback" not in gateway.log


def test_a_task_that_cannot_be_loaded_stops_the_start_with_file_and_line(
    certificate: Certificate, tmp_path: Path
) -> None:
    (tmp_path / "broken.py").write_text("x = 1\ndef broken(:\n")
    with Cluster(certificate, tmp_path) as cluster:
        gateway = cluster.add_gateway()
        assert gateway.process.wait(20) == 1
        assert f"{tmp_path / 'broken.py'}:2: syntax error" in gateway.log


@pytest.fixture(scope="module")
def configured(cluster: Cluster) -> Any:
    """A gateway with settings of its own."""
    return cluster.add_gateway(
        PROJECT_TITLE="Their title", PROJECT_SUMMARY="a summary", PROJECT_DESCRIPTION="more",
        PROJECT_VERSION="7.8.9", ENABLED_TASKS="add,strict", API_REVOKE="False",
        API_DOCS="false", DEBUG="True", NODE_TYPE="distributed_master", API_HOST="127.0.0.1",
        TASK_QUEUE_PASSWD="a-secret",
    )  # fmt: skip


def test_the_settings_head_the_schema(configured: Any) -> None:
    configured.wait_ready()
    with configured.client() as client:
        schema = client.get("/openapi.json").json()

    assert schema["info"] == {
        "title": "Their title", "summary": "a summary", "description": "more", "version": "7.8.9",
    }  # fmt: skip


def test_only_the_enabled_tasks_are_served(configured: Any) -> None:
    configured.wait_ready()
    with configured.client() as client:
        assert client.post("/run/add", json={"a": 1}).json()["result"] == {"total": 1}
        assert client.post("/run/act", json={"how": "repeat"}).status_code == 404
        assert set(client.get("/status_info").json()["pending_task_count"]) == {"add", "strict"}


def test_a_route_that_is_switched_off_is_not_there(configured: Any) -> None:
    configured.wait_ready()
    with configured.client() as client:
        assert client.post("/revoke", json={"result_id": "x"}).status_code == 404
        assert client.get("/docs").status_code == 404
        assert "/revoke" not in client.get("/openapi.json").json()["paths"]


def test_debug_logs_requests_without_credentials(configured: Any) -> None:
    configured.wait_ready()
    with configured.client(auth=("somebody", "very-secret")) as client:
        client.post("/run/add", json={"a": 4711})

    wait_until(lambda: '{"a":4711}' in configured.log)
    assert "***" in configured.log
    for secret in ("very-secret", "c29tZWJvZHk6dmVyeS1zZWNyZXQ=", "a-secret"):
        assert secret not in configured.log
