"""What every answer tells a browser, whoever gives it."""

import base64
import hashlib
import re
from typing import Any

import httpx
import pytest

from tests.integration.app.cluster import Gateway

EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
}


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("GET", "/healthz", {}, 200),
        ("GET", "/docs", {}, 200),
        ("GET", "/docs-assets/swagger-ui.css", {}, 200),
        ("GET", "/no-such-route", {}, 404),
        ("DELETE", "/run/add", {}, 405),
        ("POST", "/run/add", {"json": {"a": "x"}}, 422),
        ("GET", "/download?file_name=../x", {}, 400),
    ],
)
def test_every_answer_has_them_and_none_names_the_server(
    client: httpx.Client, method: str, path: str, options: dict[str, Any], status: int
) -> None:
    answer = client.request(method, path, **options)

    assert answer.status_code == status
    assert {name: answer.headers.get_list(name) for name in EVERYWHERE} == {
        name: [value] for name, value in EVERYWHERE.items()
    }
    assert "server" not in answer.headers
    assert "strict-transport-security" not in answer.headers  # it is self-signed


def test_so_has_what_is_no_http(gateway: Gateway) -> None:
    with gateway.socket() as connection:
        connection.sendall(b"\0\r\n\r\n")
        answer = connection.recv(4096).lower()
    assert answer.startswith(b"http/1.1 400")
    assert b"x-content-type-options: nosniff" in answer
    assert b"server:" not in answer


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_a_page_runs_this_servers_scripts_and_its_own_only(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    policy = dict(
        directive.split(" ", 1)
        for directive in answer.headers["content-security-policy"].split("; ")
    )
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    scripts = re.findall(r"<script>(.*?)</script>", answer.text, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts]
    assert policy["script-src"].split() == ["'self'", *(f"'sha256-{d}'" for d in digests)]
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", answer.text)


def test_a_file_is_nobodys_page(client: httpx.Client) -> None:
    page = {"file": ("page.html", b"<script>alert(1)</script>")}
    name = client.post("/upload", files=page).json()["file_name"]
    answer = client.get("/download", params={"file_name": name})

    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["content-disposition"].startswith("attachment")
