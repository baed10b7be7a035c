"""Where a node's files are: folders and the certificate's files, and what is kept in them."""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, field_validator, model_validator

from config.project_file import PROJECT_ROOT
from config.setting_groups.group import SettingGroup
from config.task_names import task_names_in

# The longest path that fits into sockaddr_un.sun_path on Linux, less the closing NUL: unix(7).
LONGEST_SOCKET_PATH = 107


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]


def _below(parent: str, name: str) -> Any:
    """A folder or file whose default place is ``name`` below another path setting."""
    return Field(default_factory=lambda data: data.get(parent, Path()) / name)


class FolderSettings(SettingGroup):
    """The places of files. Most follow from FASTTASK_DIR unless they are set themselves."""

    fasttask_dir: AbsolutePath = PROJECT_ROOT
    tasks_dir: AbsolutePath = _below("fasttask_dir", "tasks")
    files_dir: AbsolutePath = _below("fasttask_dir", "files")
    fasttask_files_dir: AbsolutePath = _below("files_dir", "fasttask")
    log_dir: AbsolutePath = _below("fasttask_files_dir", "log")
    conf_dir: AbsolutePath = _below("fasttask_files_dir", "conf")
    redis_dir: AbsolutePath = _below("fasttask_files_dir", "redis")
    ssl_cert_dir: AbsolutePath = _below("fasttask_files_dir", "ssl_cert")
    ssl_keyfile: AbsolutePath = _below("ssl_cert_dir", "key.pem")
    ssl_certfile: AbsolutePath = _below("ssl_cert_dir", "cert.pem")

    @model_validator(mode="before")
    @classmethod
    def _trust_store_is_not_ours(cls, data: dict[str, Any]) -> dict[str, Any]:
        # SSL_CERT_DIR is also OpenSSL's name for its folders of trusted certificates, which many
        # systems set for every process. A node must not put its key there.
        folder = str(data.get("ssl_cert_dir", ""))
        return {k: v for k, v in data.items() if k != "ssl_cert_dir" or not _is_trust_store(folder)}

    @field_validator("tasks_dir")
    @classmethod
    def _tasks_exist(cls, path: Path) -> Path:
        if not path.is_dir():
            raise ValueError("is not a folder; point it at the folder that holds your task files")
        if not task_names_in(path):
            raise ValueError("holds no task file; put NAME.py with a function NAME into it")
        return path

    @property
    def users_file(self) -> Path:
        """Who may log in: see config/users.py. Missing or empty: everybody."""
        return self.conf_dir / "user_to_passwd.json"

    @property
    def audit_log_file(self) -> Path:
        """Who did what: see config/audit.py; mode 0600."""
        return self.log_dir / "audit.log"

    @property
    def owners_dir(self) -> Path:
        """Whose each uploaded file is: see app/owners.py."""
        return self.fasttask_files_dir / "owners"

    @property
    def tokens_file(self) -> Path:
        """What is kept of API tokens: see config/tokens.py; mode 0600."""
        return self.conf_dir / "tokens.json"

    @property
    def node_token_file(self) -> Path:
        """Holds the token by which this machine's own commands log in to the API; mode 0600."""
        return self.conf_dir / "node_token"

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


def _is_trust_store(folders: str) -> bool:
    """Whether this is OpenSSL's SSL_CERT_DIR: a list of folders, or one full of other things."""
    folder = Path(folders)
    own = (folder / "key.pem").exists() or not folder.is_dir() or not any(folder.iterdir())
    return os.pathsep in folders or not own
