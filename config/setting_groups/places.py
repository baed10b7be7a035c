"""Where a node's own files are: all that the commands need that look after one that runs."""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from config.project_file import PROJECT_ROOT
from config.setting_groups.group import SettingGroup

# The longest path that fits into sockaddr_un.sun_path on Linux, less the closing NUL: unix(7).
LONGEST_SOCKET_PATH = 107


def absolute(path: Path) -> Path:
    """The whole path.

    Raises:
        ValueError: it begins with the home folder of somebody who has none.
    """
    try:
        return path.expanduser().absolute()
    except RuntimeError:
        raise ValueError(
            "begins with ~, but there is no such user, or no home folder; write the whole path"
        ) from None


AbsolutePath = Annotated[Path, AfterValidator(absolute)]


def below(parent: str, name: str) -> Any:
    """A folder or file whose default place is ``name`` below another path setting."""
    return Field(default_factory=lambda data: data.get(parent, Path()) / name)


class PlaceSettings(SettingGroup):
    """The folders from which the others follow, and that of the logs."""

    # FILES_DIR and FASTTASK_FILES_DIR come before those that are compared with them.
    fasttask_dir: AbsolutePath = PROJECT_ROOT
    files_dir: AbsolutePath = below("fasttask_dir", "files")
    fasttask_files_dir: AbsolutePath = below("files_dir", "fasttask")
    log_dir: AbsolutePath = below("fasttask_files_dir", "log")

    def short_socket(self, name: str) -> Path:
        """Where the unix socket ``name`` lies: with the node's files, unless that path is too long.

        A socket's path has a fixed length in the kernel's address record, so a node in a deep
        folder keeps its sockets in a private folder below the system's temporary one.
        """
        path = self.fasttask_files_dir / name
        if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
            return path
        digest = hashlib.sha256(os.fsencode(self.fasttask_files_dir)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"fasttask-{os.getuid()}-{digest}" / name
