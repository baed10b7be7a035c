"""The two environments of the benchmark: FastTask's own, and that of the peers."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from config.settings import Settings

PROJECT = Path(__file__).resolve().parent.parent.parent
TASKS = Path(__file__).parent / "tasks"
OURS = Path(sys.executable).parent  #: programs of the environment that this runs in
PEERS = (
    PROJECT / ".venv-bench" / "bin"
)  #: programs of the peers' environment; `make bench` makes it

SETTINGS = {name for field in Settings.model_fields for name in (field, field.upper())}


def environment(given: Mapping[str, object]) -> dict[str, str]:
    """A subprocess's environment: no setting of whoever runs this, our modules, and ``given``."""
    inherited = {k: v for k, v in os.environ.items() if k not in SETTINGS}
    return {**inherited, "PYTHONPATH": str(PROJECT), **{k: str(v) for k, v in given.items()}}
