"""The audit log of a session in which everything is done, and that no log tells a secret."""

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from config.passwords import hashed
from config.tokens import Token, digest_of, new_token, tokens_as_json
from tests.integration.app.cluster import Certificate, Cluster
from tests.waiting import wait_until

PASSWORD, WRONG, ADMINS = "correct-horse", "battery-staple", "xkcd-936"

AUDIT, GATEWAY, WORKER = "files/fasttask/log/audit.log", "files/fasttask/output", "worker/output"


class Session:
    """What was done, what is in the logs, and what must not be."""

    def __init__(self, certificate: Certificate) -> None:
        self.token, wrong_token, node_token = new_token(), new_token(), new_token()
        hash_ = hashed(PASSWORD)
        with Cluster(certificate) as cluster:
            gateway = cluster.add_gateway(DEBUG="True")
            conf = gateway.users_file.parent
            admin = {"password": ADMINS, "admin": True}
            gateway.users_file.write_text(json.dumps({"ann": hash_, "eve": admin}))
            kept = {digest_of(self.token): Token("ann", 1)}
            (conf / "tokens.json").write_bytes(tokens_as_json(kept))
            (conf / "node_token").write_text(node_token)
            worker = cluster.add_worker(DEBUG="True")
            wait_until(lambda: "gateway_ready" in gateway.log and worker.is_ready(), within=30)
            self._do_everything(gateway, wrong_token)
            gateway.stop()
            worker.stop()
            logs = [path for path in cluster.folder.rglob("*") if _is_log(path)]
            self.logs = {
                str(path.relative_to(cluster.folder)): path.read_text(errors="replace")
                for path in logs
            }
        basics = [f"ann:{PASSWORD}", f"ann:{WRONG}", f"eve:{ADMINS}", f"{WRONG}:x"]
        self.secrets = [
            PASSWORD, WRONG, ADMINS, self.token, wrong_token, node_token, hash_,
            digest_of(self.token), *(base64.b64encode(b.encode()).decode() for b in basics),
        ]  # fmt: skip
        self.deeds = [json.loads(line) for line in self.logs[AUDIT].splitlines()]

    def _do_everything(self, gateway: Any, wrong_token: str) -> None:
        ann, eve = ("ann", PASSWORD), ("eve", ADMINS)
        with gateway.client() as client:
            wait_until(lambda: client.get("/readyz", auth=ann).status_code == 200)
            for user in [("ann", WRONG), (WRONG, "x")]:
                client.post("/create/add", json={"a": 1}, auth=user)
            by_token = _run_by(client, self.token)
            self.ran_by_token = by_token.json()["id"]
            assert _run_by(client, wrong_token).status_code == 401
            client.post("/run/add", json={"a": 1})
            self.ran = client.post("/run/add", json={"a": 1}, auth=ann).json()["id"]
            created = client.post("/create/doze", json={"seconds": 60}, auth=ann)
            self.created = created.json()["id"]
            client.post("/create/add", json={"a": "x"}, auth=ann)
            for user in (eve, eve):
                client.post("/revoke", json={"result_id": self.created}, auth=user)
            client.post("/revoke", json={"result_id": "no such"}, auth=ann)
            files = {"file": ("x", b"content")}
            self.file = client.post("/upload", files=files, auth=ann).json()["file_name"]
            client.get(f"/download?file_name={self.file}", auth=ann)
            client.get("/download?file_name=none", auth=ann)
            client.get("/dead_letters", auth=ann)
            client.post("/dead_letters/replay", json={"result_id": "z"}, auth=eve)
            client.get("/check/x", auth=ann)


def _run_by(client: httpx.Client, token: str) -> httpx.Response:
    return client.post("/run/add", json={"a": 1}, headers={"Authorization": f"Bearer {token}"})


def _is_log(path: Path) -> bool:
    return path.is_file() and (path.name == "output" or ".log" in path.name)


@pytest.fixture(scope="module")
def session(certificate: Certificate) -> Iterator[Session]:
    """It is over."""
    yield Session(certificate)


def test_each_deed_is_there_with_its_result(session: Session) -> None:
    seen = [(d["who"], d["what"], d.get("about"), d["result"]) for d in session.deeds]

    # A download is noted when its file is closed: the next request may overtake that.
    assert sorted(seen, key=repr) == sorted([
        ("ann", "log in", None, 401),
        ("?", "log in", None, 401),
        ("ann", "run add", session.ran_by_token, "SUCCESS"),
        ("?", "log in", None, 401),
        ("ann", "run add", session.ran, "SUCCESS"),
        ("ann", "create doze", session.created, 200),
        ("ann", "create add", None, 422),
        ("eve", "revoke", session.created, "SUCCESS"),
        ("eve", "revoke", session.created, "SUCCESS"),
        ("ann", "revoke", "no such", "FAILURE"),
        ("ann", "upload", session.file, 200),
        ("ann", "download", session.file, 200),
        ("ann", "download", "none", 404),
        ("ann", "dead_letters", None, 403),
        ("eve", "dead_letters replay", "z", 404),
    ], key=repr)  # fmt: skip
    assert {d["from"] for d in session.deeds} == {"127.0.0.1"}
    digests = [d["sha256"] for d in session.deeds if "sha256" in d]
    assert digests == [hashlib.sha256(b"content").hexdigest()]


def test_no_log_tells_a_secret(session: Session) -> None:
    assert session.logs.keys() == {AUDIT, GATEWAY, WORKER}
    assert "request_body" in session.logs[GATEWAY], "DEBUG is on"
    for name, text in session.logs.items():
        assert [secret for secret in session.secrets if secret in text] == [], name


def test_a_run_whose_client_left_is_there_with_the_job_that_goes_on(
    own_cluster: Cluster, tmp_path: Path
) -> None:
    gateway = own_cluster.add_gateway()
    own_cluster.add_worker()
    own_cluster.wait_ready()
    body = json.dumps({"record": str(tmp_path / "held")}).encode()
    head = b"POST /run/hold HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with gateway.socket() as leaving:
        leaving.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        wait_until((tmp_path / "held").exists)
    log = own_cluster.folder / AUDIT
    deed = json.loads(wait_until(lambda: log.exists() and log.read_text()))
    with gateway.client() as client:
        record = client.get(f"/check/{deed['about']}").json()

    assert (deed["what"], deed["result"]) == ("run hold", 499)
    assert (record["id"], record["state"]) == (deed["about"], "STARTED")


def test_it_can_be_switched_off(own_cluster: Cluster) -> None:
    gateway = own_cluster.add_gateway(AUDIT_LOG="False")
    own_cluster.wait_ready()
    with gateway.client() as client:
        client.post("/create/add", json={"a": 1})
    gateway.stop()

    assert not list(own_cluster.folder.rglob("audit.log*"))


@pytest.mark.parametrize(
    ("believed", "shown"),
    [
        ({}, "192.0.2.7"),
        ({"FORWARDED_ALLOW_IPS": "127.0.0.0/8,192.0.2.1"}, "192.0.2.7"),
        ({"FORWARDED_ALLOW_IPS": "192.0.2.1"}, "127.0.0.1"),
        ({"FORWARDED_ALLOW_IPS": ""}, "127.0.0.1"),
    ],
)
def test_a_proxy_that_is_believed_tells_whom_a_request_comes_from(
    own_cluster: Cluster, believed: dict[str, str], shown: str
) -> None:
    gateway = own_cluster.add_gateway(**believed)
    own_cluster.wait_ready()
    with gateway.client() as client:
        client.post("/create/add", json={"a": 1}, headers={"X-Forwarded-For": "192.0.2.7"})
        client.post("/create/add", json={"a": 1})
    gateway.stop()

    deeds = map(json.loads, (own_cluster.folder / AUDIT).read_text().splitlines())
    assert [deed["from"] for deed in deeds] == [shown, "127.0.0.1"]
