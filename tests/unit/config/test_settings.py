"""Settings: defaults that follow from others, and mistakes told in words a user can act on."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.errors import ConfigurationError
from config.settings import Settings, load_settings, task_environment
from tests.closed_folder import not_to_be_entered
from tests.conftest import PROJECT, SAMPLE_TASKS

Environment = Callable[..., None]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Environment:
    """Sets variables of the environment."""

    def set_all(**variables: Any) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))

    return set_all


def mistakes() -> list[str]:
    """What is said of the settings."""
    with pytest.raises(ConfigurationError) as wrong:
        load_settings()
    return wrong.value.lines


def test_defaults_are_those_of_a_single_node() -> None:
    settings = load_settings()

    assert settings.node_type == "single_node"
    assert (settings.soft_time_limit, settings.time_limit) == (86_400, 86_460)
    assert (settings.visibility_timeout, settings.result_expires) == (86_520, 259_200)
    assert (settings.api_host, settings.api_port) == ("127.0.0.1", 9001)
    assert settings.tasks_dir == PROJECT / "tasks"
    assert settings.conf_dir == PROJECT / "files" / "fasttask" / "conf"
    assert settings.ssl_certfile == PROJECT / "files" / "fasttask" / "ssl_cert" / "cert.pem"
    assert settings.loaded_tasks == ("get_circle_area", "get_hypotenuse")
    assert settings.task_queue_port is None
    assert settings.queue_socket is not None
    assert settings.file_expiration_seconds == 864_000
    assert settings.worker_concurrency >= 1


@pytest.mark.parametrize(
    ("node_type", "parts"),
    [
        ("single_node", (True, True, True)),
        ("distributed_master", (True, True, False)),
        ("distributed_worker", (False, False, True)),
    ],
)
def test_a_node_type_decides_what_runs(
    environment: Environment, node_type: str, parts: tuple[bool, bool, bool]
) -> None:
    environment(
        NODE_TYPE=node_type, TASK_QUEUE_PASSWD="pw", TASK_QUEUE_PORT=6380, MASTER_HOST="there"
    )
    settings = load_settings()

    assert (settings.has_queue_server, settings.has_api, settings.has_worker) == parts


def test_a_master_listens_to_everybody_on_the_usual_port(environment: Environment) -> None:
    environment(NODE_TYPE="distributed_master", TASK_QUEUE_PASSWD="pw")
    settings = load_settings()

    assert (settings.api_host, settings.task_queue_port) == ("0.0.0.0", 6379)
    assert settings.queue_socket is None


def test_a_queue_server_of_the_users_own_needs_nothing_else(environment: Environment) -> None:
    environment(NODE_TYPE="distributed_worker", TASK_QUEUE_URL="redis://:pw@there:1/0")

    assert not load_settings().has_queue_server


WORKER = {
    "NODE_TYPE": "distributed_worker", "MASTER_HOST": "there", "TASK_QUEUE_PORT": 6379,
    "TASK_QUEUE_PASSWD": "pw",
}  # fmt: skip


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"TASK_QUEUE_TLS": True}, "TASK_QUEUE_FINGERPRINT: or TASK_QUEUE_CA is required on a"),
        ({"TASK_QUEUE_FINGERPRINT": "0" * 64}, "set TASK_QUEUE_TLS=True as well"),
        ({"TASK_QUEUE_TLS": True, "TASK_QUEUE_FINGERPRINT": "A1:B2"}, "is no SHA-256"),
        ({"TASK_QUEUE_TLS": True, "TASK_QUEUE_CA": "/no/such.pem"}, "No such file"),
        ({"TASK_QUEUE_TLS": True, "TASK_QUEUE_CA": __file__}, "holds no certificates"),
        ({"TASK_QUEUE_TLS": True, "TASK_QUEUE_URL": "redis://there"}, "rediss://"),
    ],
)
def test_a_worker_is_told_what_its_encrypted_link_lacks(
    environment: Environment, variables: dict[str, Any], says: str
) -> None:
    environment(**WORKER, **variables)

    [mistake] = mistakes()
    assert says in mistake


def test_a_fingerprint_may_be_spelled_as_openssl_does(environment: Environment) -> None:
    environment(**WORKER, TASK_QUEUE_TLS=True, TASK_QUEUE_FINGERPRINT=":".join(["AB"] * 32))

    assert load_settings().task_queue_fingerprint == "ab" * 32


def test_the_parts_of_a_master_with_tls_use_a_private_socket(environment: Environment) -> None:
    environment(NODE_TYPE="distributed_master", TASK_QUEUE_PASSWD="pw", TASK_QUEUE_TLS=True)
    settings = load_settings()

    assert settings.task_queue_port == 6379
    assert settings.queue_socket is not None


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"NODE_TYPE": "cluster"}, "NODE_TYPE=cluster: "),
        ({"TASK_USER": "no-such-user"}, "TASK_USER=no-such-user: is no user of this machine"),
        ({"TASK_USER": "root"}, "name one with fewer rights"),
        ({"TASK_OPEN_FILES": 5}, "TASK_OPEN_FILES=5: must be at least 32, or 0"),
        ({"TASK_MEMORY_BYTES": -1}, "TASK_MEMORY_BYTES=-1: "),
        ({"NODE_TYPE": ""}, "NODE_TYPE is required: one of single_node, distributed_master, "),
        ({"SOFT_TIME_LIMIT": 10, "TIME_LIMIT": 10}, "must be greater than SOFT_TIME_LIMIT=10"),
        ({"TIME_LIMIT": 1e6, "VISIBILITY_TIMEOUT": 1e6}, "must be greater than TIME_LIMIT=1e+06"),
        ({"SOFT_TIME_LIMIT": "soon"}, "SOFT_TIME_LIMIT=soon: "),
        ({"SOFT_TIME_LIMIT": "inf"}, "SOFT_TIME_LIMIT=inf: "),
        ({"RESULT_EXPIRES": 0}, "RESULT_EXPIRES=0: "),
        ({"RESULT_EXPIRES": 0.9}, "RESULT_EXPIRES=0.9: "),
        ({"RESULT_EXPIRES": 1e18}, "RESULT_EXPIRES=1e+18: "),
        ({"LEASE_SECONDS": 1e18}, "LEASE_SECONDS=1e+18: "),
        ({"LEASE_SECONDS": 1e-4, "HEARTBEAT_SECONDS": 1e-3}, "LEASE_SECONDS=0.0001: "),
        ({"SOFT_TIME_LIMIT": 1e18}, "SOFT_TIME_LIMIT=1e+18: "),
        ({"TASK_MEMORY_BYTES": 2**63}, "TASK_MEMORY_BYTES=9223372036854775808: "),
        ({"MAX_WAITING_JOBS": 2**63}, "MAX_WAITING_JOBS=9223372036854775808: "),
        ({"WORKER_CONCURRENCY": 0}, "WORKER_CONCURRENCY=0: "),
        ({"WORKER_POOL": "gevent"}, "is not available in this version; use prefork"),
        ({"WORKER_POOL": "threads"}, "WORKER_POOL=threads: "),
        ({"LEASE_SECONDS": 3, "HEARTBEAT_SECONDS": 2}, "at most a third of LEASE_SECONDS=3"),
        ({"ENABLED_TASKS": "get_circle_area,nope"}, "no such task: nope; the known tasks are get_"),
        ({"DISABLED_TASKS": "nope"}, "no such task: nope"),
        ({"DISABLED_TASKS": "get_circle_area, get_hypotenuse"}, "disables every task"),
        ({"TASKS_DIR": "/not/there"}, "is not a folder"),
        ({"RUNNING_ID": "a b"}, "RUNNING_ID=a b: "),
        ({"WORKER_TAG": "a@b"}, "WORKER_TAG=a@b: "),
        ({"API_PORT": 70000}, "API_PORT=70000: "),
        ({"API_PORT": 6000, "TASK_QUEUE_PORT": 6000}, "is TASK_QUEUE_PORT already"),
        ({"API_DOCS": "perhaps"}, "API_DOCS=perhaps: "),
        ({"TASK_QUEUE_PASSWD": "two words"}, "TASK_QUEUE_PASSWD: must consist of printable"),
        ({"FILE_EXPIRATION_SECONDS": 5}, "FILE_EXPIRATION_SECONDS=5: "),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_one_line(
    environment: Environment, variables: dict[str, Any], says: str
) -> None:
    environment(**variables)

    [line] = mistakes()
    assert says in line
    assert line.startswith(tuple(variables))


def test_all_mistakes_are_told_at_once(environment: Environment) -> None:
    environment(NODE_TYPE="distributed_worker", WORKER_CONCURRENCY=0)

    named = [line.partition("=")[0].partition(":")[0] for line in mistakes()]
    assert sorted(named) == [
        "MASTER_HOST", "TASK_QUEUE_PASSWD", "TASK_QUEUE_PORT", "WORKER_CONCURRENCY",
    ]  # fmt: skip


def test_a_mistake_does_not_cause_followers(environment: Environment) -> None:
    environment(SOFT_TIME_LIMIT="soon", FASTTASK_FILES_DIR="")

    assert len(mistakes()) == 1


def test_a_secret_is_never_shown(environment: Environment) -> None:
    environment(TASK_QUEUE_PASSWD="hush hush")
    assert "hush" not in "".join(mistakes())

    environment(TASK_QUEUE_PASSWD="hush", TASK_QUEUE_URL="redis://:hush@there")
    assert "hush" not in repr(load_settings())


def test_an_empty_variable_means_the_default(environment: Environment) -> None:
    environment(SOFT_TIME_LIMIT="", ENABLED_TASKS="", RUNNING_ID="", API_HOST="")

    assert load_settings().soft_time_limit == 86_400


def test_enabled_tasks_win_over_disabled_ones(environment: Environment) -> None:
    environment(ENABLED_TASKS=" get_circle_area ,", DISABLED_TASKS="get_circle_area")

    assert load_settings().loaded_tasks == ("get_circle_area",)


def test_a_task_that_is_named_twice_counts_once(environment: Environment) -> None:
    environment(ENABLED_TASKS="get_hypotenuse,get_circle_area,get_hypotenuse")

    assert load_settings().loaded_tasks == ("get_circle_area", "get_hypotenuse")


def test_disabled_tasks_are_left_out(environment: Environment) -> None:
    environment(DISABLED_TASKS="get_circle_area")

    assert load_settings().loaded_tasks == ("get_hypotenuse",)


def test_an_env_file_counts_less_than_the_environment(environment: Environment) -> None:
    Path(".env").write_text("RESULT_EXPIRES=5\nAPI_PORT=9100\nUNKNOWN_TO_US=1\n")
    environment(API_PORT=9200)

    settings = load_settings()
    assert (settings.result_expires, settings.api_port) == (5, 9200)


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"FILES_DIR": "~no-such-user/x"}, "write the whole path"),
        ({"TASKS_DIR": "/" + "x" * 300}, "is not a folder that can be read (File name too long)"),
    ],
)
def test_a_path_that_cannot_be_looked_at_is_one_line(
    environment: Environment, variables: dict[str, str], says: str
) -> None:
    environment(**variables)

    [line] = mistakes()
    assert line.startswith(tuple(variables))
    assert says in line


def test_tasks_that_may_not_be_read_are_one_line(environment: Environment, tmp_path: Path) -> None:
    environment(TASKS_DIR=tmp_path / "closed")
    os.chdir("/")  # where nothing is closed
    with not_to_be_entered(tmp_path / "closed"):
        [line] = mistakes()

    assert f"TASKS_DIR={tmp_path}/closed: is not a folder that can be read" in line


def test_an_env_file_that_is_no_text_is_one_line() -> None:
    Path(".env").write_bytes(b"PROJECT_TITLE=\xe4\n")

    assert mistakes() == [".env is no UTF-8 text; save it as one"]


def test_an_env_file_that_may_not_be_read_is_one_line(tmp_path: Path) -> None:
    Path(".env").symlink_to(tmp_path / "closed" / "env")
    with not_to_be_entered(tmp_path / "closed"):
        [line] = mistakes()

    assert ".env cannot be read (Permission denied)" in line


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().api_port = 1


def test_folders_follow_from_the_ones_above(environment: Environment, tmp_path: Path) -> None:
    environment(FILES_DIR=tmp_path / "node", TASKS_DIR=SAMPLE_TASKS, LOG_DIR="relative")
    settings = load_settings()

    assert settings.redis_dir == tmp_path / "node" / "fasttask" / "redis"
    assert settings.log_dir == Path.cwd() / "relative"


PLACES = (
    "LOG_DIR", "CONF_DIR", "REDIS_DIR", "SSL_CERT_DIR", "SSL_KEYFILE", "SSL_CERTFILE",
)  # fmt: skip


def test_what_a_node_needs_may_not_lie_among_the_files_it_serves(
    environment: Environment, tmp_path: Path
) -> None:
    environment(FILES_DIR=tmp_path, **{name: tmp_path / name for name in PLACES})
    environment(WORKER_CONCURRENCY=0)
    *lines, last = mistakes()

    assert [line.partition("=")[0] for line in lines] == list(PLACES)
    for name, line in zip(PLACES, lines, strict=True):
        assert f"{tmp_path / name} lies in FILES_DIR={tmp_path} and so would be served" in line
        assert f"below FASTTASK_FILES_DIR={tmp_path / 'fasttask'}" in line
    assert last.startswith("WORKER_CONCURRENCY=0")


def test_tasks_may_not_lie_among_the_files_that_are_served(
    environment: Environment, tmp_path: Path
) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "mine.py").touch()
    environment(FILES_DIR=tmp_path, TASKS_DIR=tmp_path / "tasks")

    [line] = mistakes()
    assert line.startswith("TASKS_DIR=")
    assert "choose a place outside" in line


@pytest.mark.parametrize("name", ["conf", "conf/user_to_passwd.json"])
def test_a_link_does_not_hide_where_something_lies(
    environment: Environment, tmp_path: Path, name: str
) -> None:
    link = tmp_path / name
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(tmp_path / "files" / "here")
    environment(FILES_DIR=tmp_path / "files", CONF_DIR=tmp_path / "conf")

    [line] = mistakes()
    assert line.startswith("CONF_DIR=")
    assert f"{tmp_path / 'files' / 'here'}" in line


def test_the_same_folder_may_be_called_by_two_names(
    environment: Environment, tmp_path: Path
) -> None:
    (tmp_path / "data").symlink_to(tmp_path)
    environment(FILES_DIR=tmp_path / "data" / "files")
    environment(FASTTASK_FILES_DIR=tmp_path / "files" / "own", REDIS_DIR=tmp_path / "elsewhere")

    assert load_settings().conf_dir == tmp_path / "files" / "own" / "conf"


@pytest.mark.parametrize("folder", [PROJECT, PROJECT.parent])
def test_fasttask_itself_is_not_served(environment: Environment, folder: Path) -> None:
    environment(FILES_DIR=folder)

    assert any(
        line.startswith(f"FILES_DIR={folder}: holds FastTask itself (FASTTASK_DIR={PROJECT})")
        for line in mistakes()
    )


@pytest.mark.parametrize("name", ["files", "files/x"])
def test_not_all_of_the_files_are_the_nodes_own(
    environment: Environment, tmp_path: Path, name: str
) -> None:
    environment(FILES_DIR=tmp_path / name, FASTTASK_FILES_DIR=tmp_path / "files")

    [line] = mistakes()
    assert line.startswith(f"FASTTASK_FILES_DIR={tmp_path / 'files'}: holds FILES_DIR=")


def test_a_socket_in_a_deep_folder_lies_elsewhere_and_always_at_the_same_place(
    environment: Environment, tmp_path: Path
) -> None:
    environment(FILES_DIR=tmp_path / ("deep" * 30))
    socket = load_settings().queue_socket

    assert socket is not None
    assert len(str(socket)) <= 107
    assert socket == load_settings().queue_socket
    environment(FILES_DIR=tmp_path / ("deeq" * 30))
    assert socket != load_settings().queue_socket


def test_the_password_is_the_setting_or_else_the_kept_one(
    environment: Environment, make_settings: Callable[..., Settings]
) -> None:
    settings = make_settings()
    assert settings.queue_password() is None
    settings.queue_password_file.write_text("kept\n")
    assert settings.queue_password() == "kept"

    environment(TASK_QUEUE_PASSWD="given")
    assert make_settings().queue_password() == "given"


def test_the_environment_of_tasks_has_no_secrets(environment: Environment) -> None:
    environment(TASK_QUEUE_PASSWD="a", TASK_QUEUE_URL="redis://:b@c", MY_OWN="mine")
    settings = load_settings()

    seen = task_environment(settings)
    assert not {"TASK_QUEUE_PASSWD", "TASK_QUEUE_URL"} & set(seen)
    assert seen["MY_OWN"] == "mine"
    assert seen["FILES_DIR"] == str(settings.files_dir)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("project_title = 'Mine'\nproject_version = '2'", {"title": "Mine", "version": "2"}),
        ("import os\nproject_title = os.getcwd()", {}),
        ("project_title = 'Mine'\nraise SystemExit", {"title": "Mine"}),
        ("project_version = 1.10", {"version": "1.10"}),
        ("def broken(:", {}),
        ("api_port = 1", {}),
        ("\0", {}),
    ],
)
def test_a_users_project_heads_the_openapi_page(
    environment: Environment, tmp_path: Path, text: str, found: dict[str, str]
) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "mine.py").write_text("")
    (tmp_path / "setting.py").write_text(text)
    environment(TASKS_DIR=tmp_path / "tasks")
    settings = load_settings()

    assert settings.project_title == found.get("title", "FastTask")
    assert settings.project_version == found.get("version", "1.0.0")
    environment(PROJECT_TITLE="Environment")
    assert load_settings().project_title == "Environment"


def test_a_single_node_without_a_port_has_nothing_to_encrypt(environment: Environment) -> None:
    environment(TASK_QUEUE_TLS=True)
    assert not load_settings().serves_queue_over_tls
