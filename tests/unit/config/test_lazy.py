"""Modules that are loaded when somebody looks into them."""

import subprocess
import sys

import pytest


def run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.mark.parametrize("module", ["workers.__main__", "app.__main__"])
def test_processes_do_without_what_they_never_use(module: str) -> None:
    assert run(f"import sys, {module}; print('jwt.api_jwt' in sys.modules)") == "False"


def test_it_is_there_for_who_does_use_it() -> None:
    code = "import config, jwt; first = jwt; import jwt; print(first.decode == jwt.decode)"
    assert run(code) == "True"
