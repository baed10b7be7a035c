import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from config.passwords import hashed
from config.settings import PROJECT_ROOT
from deploy.node import running_pid
from deploy.parts import SupervisorStopping, parts_of_node
from deploy.processes import Process, family, living
from deploy.waiting import Wait
from tests.integration.deploy.conftest import Commands
from tests.ipv6 import needs_ipv6

MASTER = {"node_type": "distributed_master", "task_queue_passwd": "passw0rd"}
WORKER = {"node_type": "distributed_worker", "master_host": "127.0.0.1", **MASTER}


def started(node: Commands, *, close_fds: bool = True, **environment: str) -> str:
    """What `up` says; the node runs."""
    up = node("up", close_fds=close_fds, **environment)
    assert up.returncode == 0, up.stdout
    return up.stdout


def gone(processes: Iterable[Process]) -> bool:
    return any(not living(processes) for _ in Wait(10, "processes to end"))


def pid_of(node: Commands, part: str) -> int:
    return next(p.pid for p in parts_of_node(node.settings) if p.name == part)


def broken_part(node: Commands, name: str, text: str) -> None:
    """A stand-in for a part of the node, which is found first."""
    (node.folder / name).mkdir()
    (node.folder / name / "__init__.py").touch()
    (node.folder / name / "__main__.py").write_text(text)


def test_up_shows_a_result_the_addresses_and_a_line_that_works(
    commands: Callable[..., Commands],
) -> None:
    node = commands()
    output = started(node)
    base = f"https://127.0.0.1:{node.settings.api_port}"
    assert 'get_circle_area(radius=5) -> {"area": 78.53981633974483}' in output
    assert f"{base}/docs" in output
    assert f"curl --cacert {node.settings.ssl_certfile} {base}/run/get_circle_area" in output
    assert node("health").stdout == "healthy\n"


def test_the_node_keeps_nothing_open_of_whoever_started_it(
    commands: Callable[..., Commands],
) -> None:
    """Such as the file by which a script sees to it that it runs only once."""
    node = commands()
    looking, held = os.pipe()
    os.set_inheritable(held, True)
    started(node, close_fds=False)
    os.close(held)
    assert os.read(looking, 1) == b"", "nobody else holds it"
    os.close(looking)


def test_a_node_whose_standard_input_is_closed_says_what_it_has_to(
    commands: Callable[..., Commands],
) -> None:
    node = commands(api_host="0.0.0.0")
    command = ["sh", "-c", 'exec "$0" -m deploy up <&-', sys.executable]
    up = subprocess.run(command, cwd=node.folder, env=node.environment, timeout=50)
    assert up.returncode == 0
    said = (node.settings.log_dir / "node.log").read_text()
    assert "anybody" in said, said


@pytest.mark.parametrize(
    ("api_host", "reached"),
    [
        pytest.param("::1", ["[::1]"], marks=needs_ipv6),
        pytest.param("::", ["[::1]", "127.0.0.1"], marks=needs_ipv6),
        ("localhost", ["localhost"]),
    ],
)
def test_the_api_listens_where_it_is_told_to(
    commands: Callable[..., Commands], api_host: str, reached: list[str]
) -> None:
    node = commands(api_host=api_host, uvicorn_workers=2)
    assert f"https://{reached[0]}:{node.settings.api_port}/docs" in started(node)
    assert node("health").stdout == "healthy\n"
    context = ssl.create_default_context(cafile=node.settings.ssl_certfile)
    for host in reached:
        url = f"https://{host}:{node.settings.api_port}/healthz"
        with urllib.request.urlopen(url, context=context) as answer:
            assert answer.status == 200


def test_up_of_a_running_node_says_so(commands: Callable[..., Commands]) -> None:
    node = commands()
    started(node)
    pid = running_pid(node.settings)
    other_port = "1"  # the addresses are those of the start, whatever the environment is now
    assert f"runs already: process {pid}" in started(node, API_PORT=other_port)
    assert f":{node.settings.api_port}/docs" in started(node, API_PORT=other_port)


def test_up_of_a_node_that_is_ill_says_what_it_ails_from(commands: Callable[..., Commands]) -> None:
    node = commands()
    started(node)
    api = pid_of(node, "api")
    os.kill(api, signal.SIGSTOP)
    up = node("up")
    os.kill(api, signal.SIGCONT)
    assert up.returncode == 1
    assert f"runs already: process {running_pid(node.settings)}" in up.stdout
    assert f"but it is not well: GET https://127.0.0.1:{node.settings.api_port}/readyz" in up.stdout


def is_stopping(node: Commands) -> bool:
    try:
        parts_of_node(node.settings)
    except SupervisorStopping:
        return True
    return False


def test_up_of_a_node_that_is_stopping_starts_it_again(commands: Callable[..., Commands]) -> None:
    node = commands()
    started(node)
    pid, worker = running_pid(node.settings), pid_of(node, "worker")
    os.kill(worker, signal.SIGSTOP)
    down = node.start("deploy", "down")
    assert any(is_stopping(node) for _ in Wait(10, "the node to stop"))
    assert "the node is being stopped" in node("status").stdout
    up = node.start("deploy", "up")
    assert up.stdout is not None
    assert "which is stopping, to end" in up.stdout.readline()
    os.kill(worker, signal.SIGCONT)
    said, _ = up.communicate(timeout=50)
    assert (up.returncode, "-> {" in said) == (0, True), said
    assert running_pid(node.settings) not in (None, pid)
    assert down.wait(10) == 0


def test_status_shows_the_parts(commands: Callable[..., Commands]) -> None:
    node = commands()
    assert node("status").returncode == 3
    started(node)
    status = node("status")
    assert status.returncode == 0
    shown = {line.split()[0] for line in status.stdout.splitlines() if " RUNNING " in line}
    assert {"queue", "worker", "api"} <= shown
    assert f"FILES_DIR={node.settings.files_dir}" in status.stdout


def test_a_node_whose_settings_are_wrong_by_now_can_be_stopped(
    commands: Callable[..., Commands],
) -> None:
    node = commands()
    started(node)
    (node.folder / ".env").write_text("MAX_BODY_BYTES=10\nENABLED_TASKS=gone\nTASKS_DIR=/no\n")
    status = node("status")
    assert (status.returncode, "single_node" in status.stdout) == (0, True)
    logs = node.start("deploy", "logs")
    assert logs.stdout is not None
    assert "node.log" in logs.stdout.readline()
    down = node("down")
    assert (down.returncode, "no process is left" in down.stdout) == (0, True)


def test_down_leaves_nothing(commands: Callable[..., Commands]) -> None:
    node = commands()
    started(node)
    processes = family(running_pid(node.settings) or 0)
    assert len(processes) >= 4
    assert "no process is left" in node("down").stdout
    assert not living(processes)
    left = {path.name for path in node.settings.fasttask_files_dir.iterdir()}
    assert not left & {"supervisor.pid", "supervisor.sock", "queue.sock"}
    again = node("down")
    assert (again.returncode, "no node runs" in again.stdout) == (0, True)


def test_the_parts_stop_in_order(commands: Callable[..., Commands]) -> None:
    node = commands()
    started(node)
    node("down")
    log = (node.settings.log_dir / "supervisor.log").read_text()
    stops = [
        line.split("stopped: ")[1].split()[0] for line in log.splitlines() if "stopped:" in line
    ]
    assert stops == ["api", "worker", "queue", "queue_sync"]


def test_all_parts_die_with_a_killed_supervisor_and_the_node_comes_back(
    commands: Callable[..., Commands],
) -> None:
    node = commands()
    started(node)
    pid = running_pid(node.settings) or 0
    processes = family(pid)
    os.kill(pid, signal.SIGKILL)
    assert gone(processes)
    assert node("status").returncode == 3
    assert "-> {" in started(node)


@pytest.mark.parametrize("part", ["queue", "worker", "api"])
def test_a_killed_part_comes_back(commands: Callable[..., Commands], part: str) -> None:
    node = commands()
    started(node)
    pid = pid_of(node, part)
    os.kill(pid, signal.SIGKILL)
    assert any(pid_of(node, part) not in (0, pid) for _ in Wait(10, f"{part} to come back"))
    assert any(node("health").returncode == 0 for _ in Wait(20, "the node to be healthy"))


def test_nodes_run_side_by_side(commands: Callable[..., Commands], tmp_path: Path) -> None:
    first = commands(files_dir=tmp_path / "50% of (a b)")
    second = commands(files_dir=tmp_path / ("d" * 150))
    started(first)
    started(second)
    assert first("down").returncode == 0
    assert second("health").returncode == 0


def test_every_problem_is_named_and_nothing_runs(
    commands: Callable[..., Commands], tmp_path: Path
) -> None:
    tasks = tmp_path / "my_tasks"
    shutil.copytree(PROJECT_ROOT / "tasks", tasks)
    (tasks / "broken.py").write_text("def broken(:\n")
    node = commands(tasks_dir=tasks)
    node.settings.ssl_keyfile.touch()
    with socket.create_server(("127.0.0.1", node.settings.api_port)):
        up = node("up")
    assert up.returncode == 1
    assert [line.split(":")[0].split("=")[0] for line in up.stdout.splitlines()] == [
        "API_PORT",
        str(tasks / "broken.py"),
        "SSL_CERTFILE",
    ]
    assert running_pid(node.settings) is None


def test_wrong_settings_are_all_named(commands: Callable[..., Commands]) -> None:
    up = commands()("up", API_PORT="0", GRACE_SECONDS="x")
    assert up.returncode == 1
    assert {line.split("=")[0] for line in up.stdout.splitlines()} == {"API_PORT", "GRACE_SECONDS"}


def test_a_part_that_keeps_ending_ends_the_start(commands: Callable[..., Commands]) -> None:
    node = commands()
    broken_part(node, "app", "raise RuntimeError('out of order')")
    up = node("up")
    assert up.returncode == 1
    assert "the part 'api' keeps ending" in up.stdout.splitlines()[-1]
    assert "RuntimeError: out of order" in up.stdout
    assert running_pid(node.settings) is None


def test_a_node_that_does_not_get_ready_is_ended(commands: Callable[..., Commands]) -> None:
    node = commands()
    broken_part(node, "app", "import signal\nsignal.pause()")
    up = node("up", "--timeout", "2")
    assert up.returncode == 1
    assert "not ready after 2 s" in up.stdout.splitlines()[-1]
    assert running_pid(node.settings) is None


def test_an_interrupted_start_leaves_nothing(commands: Callable[..., Commands]) -> None:
    node = commands()
    broken_part(node, "app", "import signal\nsignal.pause()")
    process = node.start("deploy", "up")
    assert any(running_pid(node.settings) for _ in Wait(10, "the supervisor to start"))
    processes = family(running_pid(node.settings) or 0)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 130, output
    assert not living(processes)
    assert running_pid(node.settings) is None


def test_with_users_the_node_is_tried_with_its_own_token(
    commands: Callable[..., Commands],
) -> None:
    node = commands()
    node.settings.users_file.write_text(json.dumps({"Zoë": hashed("pä:ss")}))
    assert "-> {" in started(node)
    context = ssl.create_default_context(cafile=str(node.settings.ssl_certfile))
    url = f"https://localhost:{node.settings.api_port}/readyz"
    with pytest.raises(urllib.error.HTTPError, match="401") as caught:
        urllib.request.urlopen(url, context=context)
    caught.value.close()


def test_a_users_file_that_is_broken_is_named_before_the_start(
    commands: Callable[..., Commands],
) -> None:
    node = commands()
    node.settings.users_file.write_text("{")
    up = node("up")
    assert up.returncode == 1
    assert "user_to_passwd.json: it cannot be read" in up.stdout
    assert running_pid(node.settings) is None


def test_an_example_that_cannot_run_is_skipped_with_the_reason(
    commands: Callable[..., Commands],
) -> None:
    assert "API_CREATE or API_CHECK is switched off" in started(commands(api_check=False))


def own_circle_area(tmp_path: Path, argument: str, body: str) -> Path:
    """A tasks folder with another get_circle_area than the shipped one."""
    folder = tmp_path / "own_tasks"
    folder.mkdir()
    (folder / "get_circle_area.py").write_text(
        "from pydantic import BaseModel\n"
        f"class Params(BaseModel):\n    {argument}: float\n"
        "class Result(BaseModel):\n    area: float\n"
        f"def get_circle_area({argument}):\n    {body}\n"
    )
    return folder


def test_an_example_that_fails_ends_the_start(
    commands: Callable[..., Commands], tmp_path: Path
) -> None:
    node = commands(tasks_dir=own_circle_area(tmp_path, "radius", "raise OSError('no circles')"))
    up = node("up")
    assert up.returncode == 1
    assert "get_circle_area(radius=5) ended FAILURE" in up.stdout
    assert "OSError: no circles" in up.stdout
    assert running_pid(node.settings) is None


def test_an_example_of_other_parameters_is_skipped(
    commands: Callable[..., Commands], tmp_path: Path
) -> None:
    node = commands(tasks_dir=own_circle_area(tmp_path, "diameter", "return {'area': 1.0}"))
    assert "skipped: get_circle_area takes other parameters" in started(node)


def test_a_master_and_its_worker(
    commands: Callable[..., Commands], free_port: Callable[[], int]
) -> None:
    port = free_port()
    master = commands(**MASTER, task_queue_port=port)
    output = started(master)
    assert f"TASK_QUEUE_PORT={port} TASK_QUEUE_PASSWD=<the one you set> make up-worker" in output
    assert "anybody who reaches port" in output
    assert "passw0rd" not in output
    assert "->" not in output
    worker = commands(**WORKER | {"node_type": "distributed_worker"}, task_queue_port=port)
    assert "the queue server sees this worker" in started(worker)
    assert worker("health").returncode == 0


def test_a_worker_keeps_trying_without_its_master(
    commands: Callable[..., Commands], free_port: Callable[[], int]
) -> None:
    port = free_port()
    worker = commands(**WORKER | {"node_type": "distributed_worker"}, task_queue_port=port)
    output = started(worker, **{"NODE_TYPE": "distributed_worker"})
    assert f"the queue server at 127.0.0.1:{port} does not see this worker yet" in output
    assert "the worker keeps trying" in output
    assert worker("status").returncode == 0
    assert worker("health").returncode == 1
