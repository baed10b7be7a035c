"""Start a node in the background and show that it works."""

from config.settings import NodeType, Settings
from deploy.addresses import curl_line, urls, warnings, worker_line
from deploy.background import BackgroundNode, StartFailed
from deploy.checks import check_node
from deploy.example import ExampleFailed, show_example
from deploy.folders import make_folders
from deploy.former_node import FormerNode, former_node
from deploy.logs import log_files
from deploy.node import recall_node
from deploy.terminal import say

WORKER_PATIENCE_SECONDS = 10.0
EXAMPLE_PATIENCE_SECONDS = 30.0


def up(settings: Settings, timeout_seconds: float) -> int:
    """Start the node of this FILES_DIR, unless it runs; the command's exit status.

    One that is stopping is waited for.

    Raises:
        ConfigurationError: something is wrong that was seen before anything was started.
    """
    make_folders(settings)
    if former := former_node(settings):
        return _show_running(settings, former)
    check_node(settings)
    # These look at the users file, so they come before the start: they may find it broken.
    lines, warned = _introduction(settings), warnings(settings)
    node = BackgroundNode(settings)
    try:
        _prove(settings, node, timeout_seconds)
    except StartFailed as failure:
        details = node.ends_of(failure.logs)  # before the stop is logged as well
        node.undo()
        say(*details, "---", f"FastTask did not start: {failure}")
        return 1
    except BaseException:
        node.undo()
        raise
    say(*lines, *_for_workers(settings), *warned)
    return 0


def _prove(settings: Settings, node: BackgroundNode, timeout_seconds: float) -> None:
    """See that the node works and tell how that shows; StartFailed if it does not."""
    say(f"starting a {settings.node_type}, FILES_DIR={settings.files_dir}")
    if not settings.has_api:
        _wait_for_master(settings, node, min(timeout_seconds, WORKER_PATIENCE_SECONDS))
        return
    if reason := node.wait_until_healthy(timeout_seconds):
        late = f"not ready after {timeout_seconds:g} s: {reason}"
        raise StartFailed(late, log_files(settings))
    say("ready")
    if settings.has_worker:
        _show_example(settings)


def _wait_for_master(settings: Settings, node: BackgroundNode, seconds: float) -> None:
    reason = node.wait_until_healthy(seconds)
    if reason is None:
        say("ready: the queue server sees this worker")
        return
    say(
        f"the queue server at {_queue_server(settings)} does not see this worker yet:",
        f"  {reason}",
        "the worker keeps trying; look at it with: make status, make logs",
    )


def _show_example(settings: Settings) -> None:
    try:
        say(f"example  {show_example(settings, EXAMPLE_PATIENCE_SECONDS)}")
    except ExampleFailed as error:
        raise StartFailed(f"the example task failed: {error}", log_files(settings)) from None


def _introduction(settings: Settings) -> list[str]:
    """What people can do with the node now."""
    lines = [f"{name:8} {url}" for name, url in urls(settings).items()]
    if settings.has_api:
        lines.append(f"try it   {curl_line(settings)}")
    return lines


def _for_workers(settings: Settings) -> list[str]:
    """What a master's workers have to be told; its certificate is made by now."""
    if settings.node_type is not NodeType.MASTER:
        return []
    return [f"worker   {worker_line(settings)}"]


def _show_running(settings: Settings, former: FormerNode) -> int:
    node = recall_node(settings)
    say(f"a {node.node_type} runs already: process {former.pid}, FILES_DIR={settings.files_dir}")
    say(*(f"{name:8} {url}" for name, url in node.urls.items()))
    if former.ailment is None:
        return 0
    say(
        f"but it is not well: {former.ailment}",
        "look at it with: make status, make logs; start it anew with: make down, make up",
    )
    return 1


def _queue_server(settings: Settings) -> str:
    if settings.task_queue_url is not None:
        return "TASK_QUEUE_URL"
    return f"{settings.master_host}:{settings.task_queue_port}"
