"""Nodes in the test's own folder, started with the commands that people use."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from config.settings import PROJECT_ROOT, Settings, load_settings
from deploy.folders import make_folders
from deploy.node import running_pid
from deploy.sockets import remove_sockets
from tests.ports import kept_port


@dataclass
class Commands:
    """``python -m deploy COMMAND`` in a folder of the test's own, with a node's environment."""

    settings: Settings
    environment: dict[str, str]
    folder: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def __call__(
        self, *arguments: str, close_fds: bool = True, **environment: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        process = self.start("deploy", *arguments, close_fds=close_fds, **environment)
        output, _ = process.communicate(timeout=50)
        return subprocess.CompletedProcess(arguments, process.returncode, output)

    def start(
        self, module: str, *arguments: str, close_fds: bool = True, **environment: str
    ) -> "subprocess.Popen[str]":
        """Start a module and go on; without ``close_fds`` it inherits what is inheritable."""
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=self.folder,
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            close_fds=close_fds,
            # Whoever runs the tests in the background has them ignore Ctrl-C, and so would this.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        self.started.append(process)
        return process

    def end(self) -> None:
        """Leave nothing running and nothing outside the test's folder."""
        if running_pid(self.settings):
            self("down")
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()
        remove_sockets(self.settings)


@pytest.fixture(autouse=True)
def no_settings_in_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of whoever runs the tests, no `.env`, and our packages for every process."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("PYTHONPATH", str(PROJECT_ROOT))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def free_port() -> Iterator[Callable[[], int]]:
    """Finds ports that nobody listens on."""
    with contextlib.ExitStack() as kept:
        yield lambda: kept.enter_context(kept_port())


@pytest.fixture
def commands(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Callable[..., Commands]]:
    """Makes the commands of a node of its own; the settings are those of the environment."""
    made: list[Commands] = []

    def make(**overrides: Any) -> Commands:
        chosen = {
            "files_dir": tmp_path / f"node{len(made)}",
            "api_port": free_port(),
            "uvicorn_workers": 1,
            "worker_concurrency": 1,
            "grace_seconds": 1,
            **overrides,
        }
        settings = load_settings(**chosen)
        make_folders(settings)
        variables = {name.upper(): str(value) for name, value in chosen.items()}
        environment = {**os.environ, **variables}
        made.append(Commands(settings, environment, tmp_path))
        return made[-1]

    yield make
    for node in made:
        node.end()
