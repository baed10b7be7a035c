"""Whatever our OpenAPI allows and forbids, sent to a real gateway: its answers are as described."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.integration.app.cluster import PROJECT, Certificate, Cluster, Gateway
from tests.waiting import wait_until

ADMIN, USER = ("ann", "1"), ("bob", "2")
CONFIG = PROJECT / "tests" / "integration" / "app" / "openapi_fuzz" / "schemathesis.toml"
# What is sent: (phases, examples of each operation, fewest requests that count as having looked).
PHASES = {
    "every boundary": ("examples,coverage", 1, 1500),
    "all kinds of things": ("fuzzing", 10, 175),
    "what answers tell": ("stateful", 12, 36),
}
SENT = re.compile(r"(\d+) generated")

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def gateway(certificate: Certificate) -> Iterator[Gateway]:
    """A gateway with two users, its worker, and a dead letter."""
    with Cluster(certificate) as cluster:
        cluster.add_worker()
        gateway = cluster.add_gateway()
        cluster.wait_ready()
        with gateway.client() as client:
            killer = client.post("/run/act", json={"how": "kill_itself"}).json()
            assert killer["state"] == "FAILURE"
            have_users(gateway, client)
        yield gateway
        assert "unexpected_error" not in gateway.log


def have_users(gateway: Gateway, client: httpx.Client) -> None:
    """From now on everybody has to log in."""
    admin = {"password": ADMIN[1], "admin": True}
    gateway.users_file.write_text(json.dumps({ADMIN[0]: admin, USER[0]: USER[1]}))
    wait_until(lambda: client.get("/healthz").status_code == 401)


@pytest.fixture
def fuzz(gateway: Gateway, certificate: Certificate) -> "Fuzz":
    """Schemathesis, told about the gateway."""
    return Fuzz(gateway, certificate)


class Fuzz:
    """Schemathesis as its users run it, in a process of its own."""

    def __init__(self, gateway: Gateway, certificate: Certificate) -> None:
        # The same requests in every run of CI, new ones on a developer's machine.
        same = ["--generation-deterministic"] if "CI" in os.environ else []
        self._command = [sys.executable, "-m", "schemathesis.cli", f"--config-file={CONFIG}"]
        self._options = [f"--url={gateway.url}", f"--tls-verify={certificate.file}", *same]

    def __call__(self, described: str | Path, *options: str) -> int:
        """Ask for all that is described there; how many requests that were.

        Raises:
            AssertionError: it found something; its report is in what the test printed.
        """
        done = subprocess.run(
            [*self._command, "--no-color", "run", str(described), *self._options, *options],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        sys.stdout.write(done.stdout + done.stderr)  # pytest shows it with the failure
        assert done.returncode == 0, "see what it printed"
        return sum(map(int, SENT.findall(done.stdout)))


@pytest.mark.parametrize("kind", PHASES)
def test_an_admin_is_answered_as_described(fuzz: Fuzz, gateway: Gateway, kind: str) -> None:
    phases, examples, fewest = PHASES[kind]
    asked = fuzz(
        f"{gateway.url}/openapi.json", f"--auth={':'.join(ADMIN)}",
        f"--phases={phases}", f"--max-examples={examples}",
    )  # fmt: skip

    assert asked >= fewest


def test_a_user_is_answered_as_described(fuzz: Fuzz, gateway: Gateway) -> None:
    asked = fuzz(
        f"{gateway.url}/openapi.json", f"--auth={':'.join(USER)}",
        "--phases=fuzzing", "--max-examples=5",
    )  # fmt: skip

    assert asked >= 80


def test_nobody_is_told_anything(fuzz: Fuzz, gateway: Gateway, tmp_path: Path) -> None:
    """Not even what is wrong with a request: 401 to all that an admin may ask for."""
    described = tmp_path / "openapi.json"
    with gateway.client(auth=ADMIN) as client:
        described.write_bytes(client.get("/openapi.json").content)

    asked = fuzz(
        described, "--checks=answers_401,answers_like_all_others",
        "--phases=fuzzing", "--max-examples=5",
    )  # fmt: skip

    assert asked >= 80
