"""The unix sockets of a node: where they lie, and that they can lie there."""

import os
import socket
import stat
from pathlib import Path

from config.errors import ConfigurationError
from config.settings import PlaceSettings, Settings
from deploy.folders import PRIVATE_MODE


def supervisor_socket(settings: PlaceSettings) -> Path:
    """Where the supervisor takes commands.

    It is bound under a longer name first, with the process id at its end, and that name has to
    fit into a socket's address too. Ids have at most seven digits: proc(5), pid_max.
    """
    return settings.short_socket("supervisor.sock.4194304").with_name("supervisor.sock")


def prepare_sockets(settings: Settings) -> None:
    """See that the node's sockets can be made.

    Raises:
        ConfigurationError: the folder for them is somebody else's, or its file system cannot hold
            sockets.
    """
    sockets = (supervisor_socket(settings), settings.queue_socket)
    for folder in sorted({path.parent for path in sockets if path}):
        if folder != settings.fasttask_files_dir:
            _make_own_folder(folder)
        _try_socket(folder)


def remove_sockets(settings: PlaceSettings) -> None:
    """Remove what a node that ended leaves of its sockets; the node must not be running."""
    for path in (supervisor_socket(settings), settings.short_socket("queue.sock")):
        path.unlink(missing_ok=True)
        if path.parent != settings.fasttask_files_dir and path.parent.exists():
            _remove_if_empty(path.parent)


def _make_own_folder(folder: Path) -> None:
    # It lies in the system's temporary folder, where anybody may have made it before us.
    folder.mkdir(PRIVATE_MODE, exist_ok=True)
    found = folder.lstat()
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    if not ours or stat.S_IMODE(found.st_mode) != PRIVATE_MODE:
        raise ConfigurationError(
            [
                f"{folder} is not a folder that only user id {os.geteuid()} may enter; "
                "remove it, or choose a FILES_DIR with a shorter path"
            ]
        )


def _try_socket(folder: Path) -> None:
    """Bind and link a socket, as the supervisor does; it would try for ever without links."""
    # No longer than the shortest of the sockets' names, which may just fit.
    bound, linked = (folder / f".{os.getpid():x}{end}" for end in ("", ".2"))
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.bind(str(bound))
            linked.hardlink_to(bound)
    except OSError as error:
        raise ConfigurationError(
            [f"{folder} cannot hold unix sockets ({error.strerror}); put FILES_DIR on a local disk"]
        ) from None
    finally:
        bound.unlink(missing_ok=True)
        linked.unlink(missing_ok=True)


def _remove_if_empty(folder: Path) -> None:
    if not any(folder.iterdir()):
        folder.rmdir()
