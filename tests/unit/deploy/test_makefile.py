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


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder to call `make` in; its environment's Python ends with what `status` says."""
    for folder in ("app", "config", "deploy", "tasks", "tests", "workers", ".venv/bin"):
        (tmp_path / folder).mkdir(parents=True)
    python = tmp_path / ".venv" / "bin" / "python"
    python.write_text('#!/bin/sh\necho "it answered"\nexit "$(cat status)"\n')
    python.chmod(0o755)
    (tmp_path / ".venv" / ".installed").touch()
    return tmp_path


def make_in(project: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["make", "-f", PROJECT / "Makefile", *arguments],
        cwd=project, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(("status", "says"), [(0, "stop it first"), (1, "it answered"), (3, None)])
def test_an_environment_is_removed_only_if_no_node_runs(
    project: Path, status: int, says: str | None
) -> None:
    (project / "status").write_text(str(status))
    clean = make_in(project, "clean")
    assert (clean.returncode == 0) == (says is None) != (project / ".venv").exists()
    assert (says or "") in clean.stdout


def test_an_environment_whose_making_broke_off_is_made_anew(project: Path) -> None:
    """The last that is made is `activate`, after pip."""
    (project / "requirements.lock").touch()
    (project / ".venv" / ".installed").unlink()
    (project / ".venv" / "left").touch()
    stand_in = project / "python"
    stand_in.write_text('#!/bin/sh\necho "$@" > asked\n')
    stand_in.chmod(0o755)
    (project / "status").write_text("0")
    installed = make_in(project, ".venv/.installed", f"PYTHON={stand_in}")
    assert installed.returncode == 0, installed.stdout + installed.stderr
    assert (project / "asked").read_text().split() == ["-m", "venv", "--clear", ".venv"]


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
