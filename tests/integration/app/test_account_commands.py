"""What the commands of this machine change about users and tokens counts within two seconds."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.integration.app.cluster import Cluster, Gateway
from tests.waiting import wait_until

WITHIN = 2.5  # seconds: the two that are promised, and this client's own time


@pytest.fixture
def gateway(own_cluster: Cluster) -> Gateway:
    """Of a cluster with the users ann and bob."""
    gateway = own_cluster.add_gateway()
    gateway.users_file.write_text(json.dumps({"ann": "ann's", "bob": "bob's"}))
    own_cluster.wait_ready()
    return gateway


@pytest.fixture
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    with gateway.client() as client:
        yield client


def command(gateway: Gateway, *arguments: str) -> str:
    """What ``python -m deploy`` says for the node of this gateway."""
    done = subprocess.run(
        [sys.executable, "-m", "deploy", *arguments],
        env=gateway.environment, cwd=gateway.folder, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def made_token(gateway: Gateway, user: str) -> str:
    return command(gateway, "token", user).split()[1]


def asked_by(client: httpx.Client, token: str) -> Callable[[], int]:
    """What a holder of the token is answered."""
    headers = {"Authorization": f"Bearer {token}"}
    return lambda: client.get("/status_info", headers=headers).status_code


def test_a_token_is_taken_back_and_the_others_let_in(
    gateway: Gateway, client: httpx.Client
) -> None:
    kept, taken = (made_token(gateway, "ann") for _ in range(2))
    wait_until(lambda: asked_by(client, kept)() == asked_by(client, taken)() == 200, within=WITHIN)

    listed = command(gateway, "tokens", "ann").splitlines()[1:]
    token_id = listed[1].split()[0]
    assert len(listed) == 2
    assert not [line for line in listed if kept in line or taken in line]
    command(gateway, "token-revoke", token_id)
    wait_until(lambda: asked_by(client, taken)() == 401, within=WITHIN)
    assert asked_by(client, kept)() == 200
    assert token_id not in command(gateway, "tokens")


def test_a_user_who_is_removed_is_out_and_so_are_his_tokens(
    gateway: Gateway, client: httpx.Client
) -> None:
    token = made_token(gateway, "bob")
    wait_until(lambda: asked_by(client, token)() == 200, within=WITHIN)
    assert client.get("/status_info", auth=("bob", "bob's")).status_code == 200

    command(gateway, "user", "--remove", "bob")
    wait_until(lambda: asked_by(client, token)() == 401, within=WITHIN)
    assert client.get("/status_info", auth=("bob", "bob's")).status_code == 401
    assert client.get("/status_info", auth=("ann", "ann's")).status_code == 200


def test_the_last_user_stays_for_else_all_would_be_let_in(
    gateway: Gateway, client: httpx.Client
) -> None:
    command(gateway, "user", "--remove", "bob")
    with pytest.raises(AssertionError, match="last user"):
        command(gateway, "user", "--remove", "ann")

    assert client.get("/status_info").status_code == 401


def test_what_the_commands_do_is_audited(gateway: Gateway) -> None:
    made_token(gateway, "bob")
    token_id = command(gateway, "tokens").splitlines()[1].split()[0]
    command(gateway, "token-revoke", token_id)
    command(gateway, "user", "--remove", "bob")

    lines = (gateway.folder / "log" / "audit.log").read_text().splitlines()
    assert [(d["what"], d["about"], d["from"]) for d in map(json.loads, lines)] == [
        ("make token", f"bob {token_id}", "this machine"),
        ("revoke token", f"bob {token_id}", "this machine"),
        ("remove user", "bob", "this machine"),
    ]
