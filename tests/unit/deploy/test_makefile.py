"""What `make` hands on of its command line."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import PROJECT

AS_TYPED = "joe$x $(NAME) $$ # 'a' \"b\" `c`"


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., list[str]]:
    """Runs `make` on an installed Python that only tells what it is asked to do."""
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    python.chmod(0o755)
    (tmp_path / "requirements.lock").touch()
    (tmp_path / "venv" / ".installed").touch()

    def run(*arguments: str) -> list[str]:
        command = ["make", "-f", PROJECT / "Makefile", f"VENV={tmp_path / 'venv'}", *arguments]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
        told = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        return json.loads(told.stdout) if told.returncode == 0 else [told.stdout.strip()]

    return run


@pytest.mark.parametrize(
    ("arguments", "handed_on"),
    [
        (["user", "NAME="], ["user", "--", AS_TYPED]),
        (["user", "NAME=a", "ADMIN=1", "TASKS="],
         ["user", "--tasks", AS_TYPED, "--admin", "--", "a"]),
        (["user", "REMOVE=1", "NAME="], ["user", "--remove", "--", AS_TYPED]),
        (["token", "USER=a", "DAYS="], ["token", "--days", AS_TYPED, "--", "a"]),
        (["token", "USER="], ["token", "--", AS_TYPED]),
        (["tokens", "USER="], ["tokens", "--", AS_TYPED]),
        (["token-revoke", "TOKEN="], ["token-revoke", "--", AS_TYPED]),
        (["dead-letters", "REPLAY="], ["dead-letters", "--replay", AS_TYPED]),
    ],
)  # fmt: skip
def test_what_is_typed_is_what_is_meant(
    make: Callable[..., list[str]], arguments: list[str], handed_on: list[str]
) -> None:
    *others, last = arguments
    assert make(*others, last + AS_TYPED) == ["-m", "deploy", *handed_on]


@pytest.mark.parametrize(
    ("target", "says"),
    [("user", "name the user"), ("token", "name the user"), ("token-revoke", "name the token")],
)
def test_who_is_meant_has_to_be_typed(
    make: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch, target: str, says: str
) -> None:
    for name in ("NAME", "USER", "TOKEN"):
        monkeypatch.setenv(name, "somebody")

    [said] = make(target)
    assert said.startswith(says)
    assert make("tokens") == ["-m", "deploy", "tokens"]
