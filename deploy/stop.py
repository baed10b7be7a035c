"""Stop a node gracefully, and see that nothing of it remains."""

import os
import signal
from contextlib import suppress
from functools import partial

from config.errors import ConfigurationError
from config.settings import PlaceSettings
from deploy.node import recall_node, running_pid
from deploy.pid_file import pid_file, remove
from deploy.processes import Process, family, kill, living
from deploy.sockets import remove_sockets
from deploy.supervisor import stop_seconds
from deploy.terminal import say
from deploy.waiting import Wait

AFTER_KILL_SECONDS = 5.0


def down(settings: PlaceSettings) -> int:
    """Stop the node of this FILES_DIR; the command's exit status."""
    pid = running_pid(settings)
    if pid is None:
        remove_traces(settings)
        say(f"no node runs with FILES_DIR={settings.files_dir}")
        return 0
    left = stop(pid, recall_node(settings).grace_seconds)
    if left:
        say(f"these processes could not be ended: {', '.join(str(p.pid) for p in left)}")
        return 1
    with suppress(ConfigurationError):  # those of a node that was started meanwhile
        remove_traces(settings)
    say(f"stopped, no process is left (FILES_DIR={settings.files_dir})")
    return 0


def stop(pid: int, grace_seconds: float) -> set[Process]:
    """End the supervisor ``pid`` and everything below it; what still lives in the end."""
    members = family(pid)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    if not _ended(members, Wait(stop_seconds(grace_seconds), "waiting for running jobs to end")):
        members |= family(pid)
        kill(members)
        _ended(members, Wait(AFTER_KILL_SECONDS, "waiting for killed processes to end"))
    return living(members)


def remove_traces(settings: PlaceSettings) -> None:
    """Remove the pid and socket files of a node that ended without doing so itself.

    Raises:
        ConfigurationError: a node with this FILES_DIR has been started meanwhile.
    """
    if settings.fasttask_files_dir.is_dir():
        remove(pid_file(settings), first=partial(remove_sockets, settings))


def _ended(processes: set[Process], wait: Wait) -> bool:
    return any(not living(processes) for _ in wait)
