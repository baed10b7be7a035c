"""Every setting of a node: read once from the environment and `.env`, checked, then frozen.

This is the only file that looks at the environment. Names, defaults and meaning are those of the
README's table. A default that follows from another setting is derived here, so no other place
computes one.
"""

import hashlib
import os
import re
import ssl
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from config.errors import ConfigurationError
from config.project_file import PROJECT_ROOT, ProjectFileSource
from config.task_names import task_names_in
from config.task_user import TaskUser, find_task_user

# The longest path that fits into sockaddr_un.sun_path on Linux, less the closing NUL: unix(7).
LONGEST_SOCKET_PATH = 107
FEWEST_OPEN_FILES = 32  # a task's process begins with about ten
# Levels of lists and objects that the reader of request bodies takes.
DEEPEST_JSON = 200
SECRET_VARIABLES = ("TASK_QUEUE_PASSWD", "TASK_QUEUE_URL")
SUPERVISOR_VARIABLE = "FASTTASK_SUPERVISOR_PID"


class NodeType(StrEnum):
    """What a node runs."""

    SINGLE = "single_node"  #: queue server, API and worker on one machine
    MASTER = "distributed_master"  #: queue server and API, executes nothing
    WORKER = "distributed_worker"  #: a worker that connects to a master's queue server


CommaList = Annotated[tuple[str, ...], NoDecode]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Port = Annotated[int, Field(ge=1, le=65535)]


def _below(parent: str, name: str) -> Any:
    """A folder or file whose default place is ``name`` below another path setting."""
    return Field(default_factory=lambda data: data.get(parent, Path()) / name)


def _sixty_more_than(other: str) -> Any:
    return Field(default_factory=lambda data: data.get(other, 0) + 60)


def _cpu_count() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Settings(BaseSettings):
    """The settings of one node; ``NAME`` in the environment is ``settings.name`` here."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", frozen=True, validate_default=True
    )

    node_type: NodeType = NodeType.SINGLE
    running_id: str | None = Field(None, pattern=r"^[A-Za-z0-9_.-]{1,64}$")

    fasttask_dir: Path = PROJECT_ROOT
    tasks_dir: Path = _below("fasttask_dir", "tasks")
    files_dir: Path = _below("fasttask_dir", "files")
    fasttask_files_dir: Path = _below("files_dir", "fasttask")
    log_dir: Path = _below("fasttask_files_dir", "log")
    conf_dir: Path = _below("fasttask_files_dir", "conf")
    redis_dir: Path = _below("fasttask_files_dir", "redis")
    ssl_cert_dir: Path = _below("fasttask_files_dir", "ssl_cert")
    ssl_keyfile: Path = _below("ssl_cert_dir", "key.pem")
    ssl_certfile: Path = _below("ssl_cert_dir", "cert.pem")

    soft_time_limit: Seconds = 86_400
    time_limit: Seconds = _sixty_more_than("soft_time_limit")
    visibility_timeout: Seconds = _sixty_more_than("time_limit")
    result_expires: Seconds = 259_200

    worker_pool: Literal["prefork", "gevent"] = "prefork"
    worker_concurrency: int = Field(default_factory=_cpu_count, ge=1, le=1024)
    worker_tag: str = Field("worker", pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    worker_jobs_per_child: int = Field(1000, ge=1)
    max_result_bytes: int = Field(64 * 2**20, ge=1024, le=256 * 2**20)
    lease_seconds: Seconds = 30
    heartbeat_seconds: Seconds = 5
    grace_seconds: float = Field(5, ge=0, le=3600)
    task_user: str | None = None
    task_memory_bytes: int = Field(0, ge=0)
    task_cpu_seconds: int = Field(0, ge=0)
    task_open_files: int = Field(0, ge=0)
    enabled_tasks: CommaList = ()
    disabled_tasks: CommaList = ()

    task_queue_url: SecretStr | None = None
    master_host: str = ""  # its own machine, but on a worker
    task_queue_port: Port | None = None  # 6379 on a master
    task_queue_passwd: SecretStr | None = None
    task_queue_tls: bool = False
    task_queue_ca: Path | None = None
    task_queue_fingerprint: str | None = None
    task_queue_may_lose_jobs: bool = False
    durability: Literal["everysec", "always"] = "everysec"

    uvicorn_workers: int = Field(default_factory=_cpu_count, ge=1, le=256)
    api_host: str = ""  # every address on a master, else loopback
    api_port: Port = 9001
    max_connections: int = Field(4096, ge=16)
    max_requests_per_second: float = Field(5000, ge=0, allow_inf_nan=False)  # 0: no limit
    max_waiting_jobs: int = Field(0, ge=0)  # of one user; 0: no limit
    max_params_depth: int = Field(DEEPEST_JSON, ge=1, le=DEEPEST_JSON)
    max_params_values: int = Field(250_000, ge=100)
    request_read_seconds: Seconds = 20
    answer_read_seconds: Annotated[float, Field(gt=0, le=86_400)] = 120
    max_body_bytes: int = Field(16 * 2**20, ge=1024)
    max_upload_bytes: int = Field(4 * 2**30, ge=1024)
    api_docs: bool = True
    api_redoc: bool = True
    api_status_info: bool = True
    api_run: bool = True
    api_create: bool = True
    api_check: bool = True
    api_revoke: bool = True
    api_file_download: bool = True
    api_file_upload: bool = True
    api_dead_letters: bool = True

    audit_log: bool = True
    file_cleanup_enabled: bool = True
    file_expiration_seconds: float = Field(
        default_factory=lambda data: max(60, data.get("soft_time_limit", 60) * 10), ge=60
    )

    project_title: str = "FastTask"
    project_summary: str = "Python functions as reliable HTTPS APIs"
    project_description: str = "One tag a task: run it and wait, or create it and check later."
    project_version: str = "1.0.0"
    debug: bool = False

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  pydantic passes it by name
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, dotenv_settings, ProjectFileSource(settings_cls)

    @model_validator(mode="before")
    @classmethod
    def _empty_means_default(cls, data: dict[str, Any]) -> dict[str, Any]:
        # Compose files often carry NAME= for "not set". NODE_TYPE is the exception: the image
        # sets it to the empty string so that forgetting it is an error and not a single node.
        return {k: v for k, v in data.items() if v != "" or k == "node_type"}

    @model_validator(mode="before")
    @classmethod
    def _trust_store_is_not_ours(cls, data: dict[str, Any]) -> dict[str, Any]:
        # SSL_CERT_DIR is also OpenSSL's name for its folders of trusted certificates, which many
        # systems set for every process. A node must not put its key there.
        folder = str(data.get("ssl_cert_dir", ""))
        return {k: v for k, v in data.items() if k != "ssl_cert_dir" or not _is_trust_store(folder)}

    @field_validator("enabled_tasks", "disabled_tasks", mode="before")
    @classmethod
    def _split_at_commas(cls, value: str | tuple[str, ...]) -> tuple[str, ...]:
        if not isinstance(value, str):
            return tuple(value)
        return tuple(name.strip() for name in value.split(",") if name.strip())

    @field_validator(
        "fasttask_dir",
        "tasks_dir",
        "files_dir",
        "fasttask_files_dir",
        "log_dir",
        "conf_dir",
        "redis_dir",
        "ssl_cert_dir",
        "ssl_keyfile",
        "ssl_certfile",
    )
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        return path.expanduser().absolute()

    @field_validator("tasks_dir")
    @classmethod
    def _tasks_exist(cls, path: Path) -> Path:
        if not path.is_dir():
            raise ValueError("is not a folder; point it at the folder that holds your task files")
        if not task_names_in(path):
            raise ValueError("holds no task file; put NAME.py with a function NAME into it")
        return path

    @field_validator("time_limit")
    @classmethod
    def _hard_after_soft(cls, value: float, info: ValidationInfo) -> float:
        return _more_than("soft_time_limit", value, info)

    @field_validator("visibility_timeout")
    @classmethod
    def _redelivery_after_hard(cls, value: float, info: ValidationInfo) -> float:
        return _more_than("time_limit", value, info)

    @field_validator("heartbeat_seconds")
    @classmethod
    def _three_beats_a_lease(cls, value: float, info: ValidationInfo) -> float:
        lease = info.data.get("lease_seconds", value * 3)
        if value * 3 > lease:
            raise ValueError(
                f"must be at most a third of LEASE_SECONDS={lease:g}, "
                "or one lost beat would lose the lease"
            )
        return value

    @field_validator("worker_pool")
    @classmethod
    def _only_processes_yet(cls, value: str) -> str:
        if value != "prefork":
            raise ValueError("is not available in this version; use prefork")
        return value

    @field_validator("task_user")
    @classmethod
    def _user_that_can_be_had(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and not _is_master(info):
            find_task_user(value)
        return value

    @field_validator("task_open_files")
    @classmethod
    def _enough_to_run_at_all(cls, value: int) -> int:
        if 0 < value < FEWEST_OPEN_FILES:
            raise ValueError(f"must be at least {FEWEST_OPEN_FILES}, or 0 for no limit")
        return value

    @field_validator("enabled_tasks", "disabled_tasks")
    @classmethod
    def _known_tasks(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        known = task_names_in(info.data["tasks_dir"]) if "tasks_dir" in info.data else names
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ValueError(
                f"names no such task: {', '.join(unknown)}; the known tasks are {', '.join(known)}"
            )
        return names

    @field_validator("disabled_tasks")
    @classmethod
    def _some_task_left(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if info.data.get("enabled_tasks") or "tasks_dir" not in info.data:
            return names
        if set(task_names_in(info.data["tasks_dir"])) <= set(names):
            raise ValueError("disables every task; leave at least one")
        return names

    @field_validator("master_host")
    @classmethod
    def _master_is_named(cls, value: str, info: ValidationInfo) -> str:
        if not value and _needs_queue_address(info):
            raise ValueError(
                "is required on a distributed_worker: the name or address of the master"
            )
        return value or "127.0.0.1"

    @field_validator("task_queue_port")
    @classmethod
    def _port_is_known(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is None and _needs_queue_address(info):
            raise ValueError(
                "is required on a distributed_worker: the port of the master's queue server"
            )
        return 6379 if value is None and _is_master(info) else value

    @field_validator("api_host")
    @classmethod
    def _master_listens_everywhere(cls, value: str, info: ValidationInfo) -> str:
        host = value.removeprefix("[").removesuffix("]")  # as URLs spell IPv6
        return host or ("0.0.0.0" if _is_master(info) else "127.0.0.1")  # noqa: S104  its clients

    @field_validator("task_queue_passwd")
    @classmethod
    def _network_queue_has_a_password(
        cls, value: SecretStr | None, info: ValidationInfo
    ) -> SecretStr | None:
        on_network = _is_master(info) or _needs_queue_address(info)
        if value is None and on_network and not info.data.get("task_queue_url"):
            raise ValueError(
                "is required on a distributed node: one password, "
                "the same on the master and on every worker"
            )
        if value is not None and not re.fullmatch(r"[\x21-\x7e]+", value.get_secret_value()):
            raise ValueError("must consist of printable ASCII characters without spaces")
        return value

    @field_validator("task_queue_tls")
    @classmethod
    def _url_says_it_itself(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("task_queue_url"):
            raise ValueError(
                "does not go with TASK_QUEUE_URL; say it there: rediss://...?ssl_ca_certs=FILE"
            )
        return value

    @field_validator("task_queue_ca")
    @classmethod
    def _readable_certificates(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is None:
            return None
        _needs_tls(info)
        path = value.expanduser().absolute()
        try:
            ssl.create_default_context(cafile=path)
        except OSError as error:
            raise ValueError(
                f"holds no certificates ({error.strerror or error}); "
                "copy the master's SSL_CERTFILE there, or name that of its authority"
            ) from None
        return path

    @field_validator("task_queue_fingerprint")
    @classmethod
    def _sha256_of_a_certificate(cls, value: str | None, info: ValidationInfo) -> str | None:
        trusts = value or info.data.get("task_queue_ca") or "task_queue_ca" not in info.data
        if info.data.get("task_queue_tls") and _needs_queue_address(info) and not trusts:
            raise ValueError(
                "or TASK_QUEUE_CA is required on a worker with TASK_QUEUE_TLS=True: "
                "`make up-master` shows the fingerprint"
            )
        if value is None:
            return None
        _needs_tls(info)
        digits = value.replace(":", "").lower()
        if not re.fullmatch(r"[0-9a-f]{64}", digits):
            raise ValueError("is no SHA-256: 64 hexadecimal digits, with or without colons")
        return digits

    @field_validator("api_port")
    @classmethod
    def _own_port(cls, value: int, info: ValidationInfo) -> int:
        if value == info.data.get("task_queue_port") and not _needs_queue_address(info):
            raise ValueError("is TASK_QUEUE_PORT already; give the API another one")
        return value

    @property
    def loaded_tasks(self) -> tuple[str, ...]:
        """The names of the tasks in effect on this node, sorted: LOADED_TASKS."""
        names = self.enabled_tasks or task_names_in(self.tasks_dir)
        return tuple(sorted(n for n in names if self.enabled_tasks or n not in self.disabled_tasks))

    @property
    def has_queue_server(self) -> bool:
        """Whether this node starts a queue server of its own."""
        return self.node_type is not NodeType.WORKER and self.task_queue_url is None

    @property
    def serves_queue_over_tls(self) -> bool:
        """Whether this node's own queue server listens on a port and speaks TLS there."""
        on_port = self.has_queue_server and self.task_queue_port is not None
        return on_port and self.task_queue_tls

    @property
    def has_api(self) -> bool:
        """Whether this node serves HTTPS."""
        return self.node_type is not NodeType.WORKER

    @property
    def has_worker(self) -> bool:
        """Whether this node executes tasks."""
        return self.node_type is not NodeType.MASTER

    @property
    def tasks_run_as(self) -> TaskUser | None:
        """The user of TASK_USER; None if tasks run as the node does."""
        return find_task_user(self.task_user) if self.task_user is not None else None

    @property
    def queue_socket(self) -> Path | None:
        """The unix socket by which the node's own parts reach its own queue server, else None.

        One that listens on a port in plain text is reached there like by everybody else. One that
        speaks TLS has a socket as well: what does not leave the machine needs no certificate.
        """
        only_port = self.task_queue_port is not None and not self.serves_queue_over_tls
        return None if not self.has_queue_server or only_port else self.short_socket("queue.sock")

    @property
    def queue_url_defaults(self) -> dict[str, bool]:
        """What holds for a TASK_QUEUE_URL unless it says otherwise, as options of redis-py.

        A certificate has to name the server, or any host of its authority could be the server.
        """
        url = self.task_queue_url.get_secret_value() if self.task_queue_url else ""
        checks = url.startswith("rediss://") and "ssl_cert_reqs=" not in url
        return {"ssl_check_hostname": True} if checks else {}

    @property
    def queue_password_file(self) -> Path:
        """Holds the random password of a queue server that was given none; mode 0600."""
        return self.conf_dir / "queue_password"

    @property
    def queue_admin_password_file(self) -> Path:
        """Holds the random password of the queue server's user ``admin``; mode 0600.

        Whoever has TASK_QUEUE_PASSWD alone is the user ``default``, who may work and not rule.
        """
        return self.conf_dir / "queue_admin_password"

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

    def queue_password(self) -> str | None:
        """The queue server's password: the setting, else the one kept in the password file."""
        if self.task_queue_passwd is not None:
            return self.task_queue_passwd.get_secret_value()
        if self.queue_password_file.exists():
            return self.queue_password_file.read_text().strip()
        return None


def load_settings(**overrides: Any) -> Settings:
    """Read and check all settings.

    ``overrides`` win over the environment; keys are the field names.

    Raises:
        ConfigurationError: one line per wrong setting, all of them at once.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        # A default that follows from a wrong setting is no mistake of its own.
        mistakes = (e for e in error.errors() if e["type"] != "default_factory_not_called")
        raise ConfigurationError([_sentence(mistake) for mistake in mistakes]) from None


def task_environment(settings: Settings) -> dict[str, str]:
    """The environment of user code: this process's, less the node's secrets and supervisor."""
    hidden = {*SECRET_VARIABLES, SUPERVISOR_VARIABLE}
    kept = {k: v for k, v in os.environ.items() if k not in hidden}
    return {**kept, "FILES_DIR": str(settings.files_dir), "TASKS_DIR": str(settings.tasks_dir)}


def node_environment(supervisor_pid: int) -> dict[str, str]:
    """The environment of a node's parts: this process's, and who their parent has to be."""
    return {**os.environ, SUPERVISOR_VARIABLE: str(supervisor_pid)}


def supervisor_pid() -> int | None:
    """The process id of the supervisor that this part belongs to; None if started by hand."""
    value = os.environ.get(SUPERVISOR_VARIABLE, "")
    return int(value) if value.isdecimal() else None


def _needs_queue_address(info: ValidationInfo) -> bool:
    """Whether a worker has to be told where the queue server is, for want of a TASK_QUEUE_URL."""
    return info.data.get("node_type") is NodeType.WORKER and not info.data.get("task_queue_url")


def _needs_tls(info: ValidationInfo) -> None:
    """What says whom to trust means TLS: without it the password would go out in plain text."""
    if info.data.get("task_queue_tls") is False:
        raise ValueError("says whom to trust over TLS; set TASK_QUEUE_TLS=True as well")


def _is_trust_store(folders: str) -> bool:
    """Whether this is OpenSSL's SSL_CERT_DIR: a list of folders, or one full of other things."""
    folder = Path(folders)
    own = (folder / "key.pem").exists() or not folder.is_dir() or not any(folder.iterdir())
    return os.pathsep in folders or not own


def _is_master(info: ValidationInfo) -> bool:
    return info.data.get("node_type") is NodeType.MASTER


def _more_than(other: str, value: float, info: ValidationInfo) -> float:
    bound = info.data.get(other)
    if bound is not None and value <= bound:
        raise ValueError(f"must be greater than {other.upper()}={bound:g}")
    return value


def _sentence(error: ErrorDetails) -> str:
    """One validation error as a sentence that names the variable, its value and what is wrong."""
    name = str(error["loc"][0]).upper() if error["loc"] else "settings"
    shown = "" if name in SECRET_VARIABLES or error["input"] in (None, "") else f"={error['input']}"
    if error["type"] == "enum" and error["input"] == "":
        return f"{name} is required: one of {', '.join(NodeType)}"
    return f"{name}{shown}: {error['msg'].removeprefix('Value error, ')}"
