"""Where a node's files are: folders and the certificate's files, and what is kept in them."""

import os
from pathlib import Path
from typing import Any

from pydantic import ValidationInfo, field_validator, model_validator

from config.project_file import PROJECT_ROOT
from config.setting_groups.places import AbsolutePath, PlaceSettings, below
from config.task_names import task_names_in

USERS_FILE = "user_to_passwd.json"


class FolderSettings(PlaceSettings):
    """The places of files. Most follow from FASTTASK_DIR unless they are set themselves.

    What lies below FILES_DIR is served and, when it is old, removed; FASTTASK_FILES_DIR is not. So
    nothing that a node needs may lie in the one and not in the other, all links followed.
    """

    tasks_dir: AbsolutePath = below("fasttask_dir", "tasks")
    conf_dir: AbsolutePath = below("fasttask_files_dir", "conf")
    redis_dir: AbsolutePath = below("fasttask_files_dir", "redis")
    ssl_cert_dir: AbsolutePath = below("fasttask_files_dir", "ssl_cert")
    ssl_keyfile: AbsolutePath = below("ssl_cert_dir", "key.pem")
    ssl_certfile: AbsolutePath = below("ssl_cert_dir", "cert.pem")

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
        try:
            any(path.iterdir())  # to look for tasks in one that may not be read would find none
        except OSError as error:
            raise ValueError(
                f"is not a folder that can be read ({error.strerror}); "
                "point it at the folder that holds your task files"
            ) from None
        if not task_names_in(path):
            raise ValueError("holds no task file; put NAME.py with a function NAME into it")
        return path

    @field_validator("files_dir")
    @classmethod
    def _fasttask_is_not_handed_out(cls, path: Path, info: ValidationInfo) -> Path:
        for place in (info.data.get("fasttask_dir", PROJECT_ROOT), PROJECT_ROOT):
            if _is_within(place, path):
                raise ValueError(
                    f"holds FastTask itself (FASTTASK_DIR={place}), which would be served and, "
                    "when it is old, removed; choose a folder that holds nothing else"
                )
        return path

    @field_validator("fasttask_files_dir")
    @classmethod
    def _leaves_something_to_serve(cls, path: Path, info: ValidationInfo) -> Path:
        files_dir = info.data.get("files_dir")
        if files_dir is not None and _is_within(files_dir, path):
            raise ValueError(
                f"holds FILES_DIR={files_dir}, of which nothing could be served; "
                "choose a folder below it or elsewhere"
            )
        return path

    @field_validator(
        "tasks_dir", "log_dir", "conf_dir", "redis_dir", "ssl_cert_dir", "ssl_keyfile",
        "ssl_certfile",
    )  # fmt: skip
    @classmethod
    def _is_not_handed_out(cls, path: Path, info: ValidationInfo) -> Path:
        _check_is_not_handed_out(path, info)
        if info.field_name == "conf_dir":  # its file may be a link
            _check_is_not_handed_out(path / USERS_FILE, info)
        return path

    @property
    def users_file(self) -> Path:
        """Who may log in: see config/users.py. Missing or empty: everybody."""
        return self.conf_dir / USERS_FILE

    @property
    def places(self) -> tuple[Path, ...]:
        """Where all is that a node needs and nobody may remove, links followed."""
        return tuple(map(_resolved, (
            self.fasttask_dir, self.tasks_dir, self.fasttask_files_dir, self.log_dir,
            self.conf_dir, self.redis_dir, self.ssl_cert_dir, self.ssl_keyfile, self.ssl_certfile,
        )))  # fmt: skip

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


def _resolved(path: Path) -> Path:
    """With all links followed; unlike Path.resolve it bears a loop of links."""
    return Path(os.path.realpath(path))


def _is_within(path: Path, folder: Path) -> bool:
    return _resolved(path).is_relative_to(_resolved(folder))


def _check_is_not_handed_out(path: Path, info: ValidationInfo) -> None:
    files_dir, private = info.data.get("files_dir"), info.data.get("fasttask_files_dir")
    if files_dir is None or private is None:  # the mistake is there
        return
    if _is_within(path, files_dir) and not _is_within(path, private):
        raise ValueError(
            f"{_resolved(path)} lies in FILES_DIR={files_dir} and so would be served and, when it "
            f"is old, removed; choose a place outside, or below FASTTASK_FILES_DIR={private}"
        )


def _is_trust_store(folders: str) -> bool:
    """Whether this is OpenSSL's SSL_CERT_DIR: a list of folders, or one full of other things."""
    return os.pathsep in folders or _is_full_without_key(Path(folders))


def _is_full_without_key(folder: Path) -> bool:
    try:
        return not (folder / "key.pem").exists() and folder.is_dir() and any(folder.iterdir())
    except OSError:  # told when the folders are made
        return False
