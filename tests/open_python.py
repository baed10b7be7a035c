"""A Python that every user of the machine may run, whatever folder ours is shut away in."""

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import PROJECT

UNUSED = ("site-packages", "test", "tests", "config-*", "idlelib", "ensurepip", "tkinter")
PROBE = "import workers.worker, tests.sample_tasks"


@dataclass(frozen=True)
class OpenPython:
    """A Python with our packages, and the environment that it needs."""

    command: str
    environment: dict[str, str]

    def problem(self, uid: int, gid: int) -> str | None:
        """Why another user cannot run our code with it."""
        try:
            subprocess.run(
                [self.command, "-c", PROBE], user=uid, group=gid, extra_groups=[], cwd="/",
                env={**os.environ, **self.environment},
                check=True, capture_output=True, text=True,
            )  # fmt: skip
        except subprocess.CalledProcessError as error:
            return str(error.stderr.strip().rpartition("\n")[2])
        except OSError as error:
            return str(error)
        return None


def present_python() -> OpenPython:
    """The one that runs the tests."""
    return OpenPython(sys.executable, {"PYTHONPATH": str(PROJECT)})


def copied_python(folder: Path) -> OpenPython:
    """A copy of it, without its packages: those are found where they are."""
    version = f"python{sysconfig.get_python_version()}"
    (folder / "bin").mkdir()
    shutil.copy(Path(sys.executable).resolve(), folder / "bin" / version)
    shutil.copytree(
        sysconfig.get_path("stdlib"),
        folder / "lib" / version,
        ignore=shutil.ignore_patterns(*UNUSED),
    )
    library = Path(sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("INSTSONAME") or "")
    if library.is_file() and ".so" in library.name:
        shutil.copy(library, folder / "lib")
    packages = os.pathsep.join([str(PROJECT), sysconfig.get_path("purelib")])
    environment = {"PYTHONPATH": packages, "LD_LIBRARY_PATH": str(folder / "lib")}
    return OpenPython(str(folder / "bin" / version), environment)
