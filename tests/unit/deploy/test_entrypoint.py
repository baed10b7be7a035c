"""What the image starts with."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import PROJECT

SETPRIV = shutil.which("setpriv")
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or SETPRIV is None, reason="only root can take a capability away"
)


def asked_for(folder: Path, bounding: str) -> str:
    """What is asked for in a container that has this of capabilities."""
    for name, says in {"setpriv": '"$@"', "stat": "fasttask"}.items():
        (folder / name).write_text(f"#!/bin/sh\necho {says}\n")
        (folder / name).chmod(0o755)
    entrypoint = str(PROJECT / "deploy" / "entrypoint.sh")
    started = subprocess.run(
        [str(SETPRIV), "--bounding-set", bounding, "/bin/sh", entrypoint, "true"],
        env={"PATH": f"{folder}:{os.environ['PATH']}", "FILES_DIR": str(folder)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return started.stdout


@pytest.mark.parametrize(
    ("bounding", "caps"),
    [("+net_bind_service", "-all,+net_bind_service"), ("-net_bind_service", "-all")],
)
def test_no_capability_is_asked_for_that_is_not_to_be_had(
    tmp_path: Path, bounding: str, caps: str
) -> None:
    asked = asked_for(tmp_path, bounding)
    assert f"--inh-caps {caps} --ambient-caps {caps} -- true" in asked
