"""Becomes the queue server, as it was prepared when the node was started.

``python -m deploy.queue_process SUPERVISOR SERVER CONFIGURATION FOLDER ...``; the folders are those
that it works in. While all of that is there nothing is loaded that takes time, for the other parts
of the node start beside it.
"""

import fcntl
import os
import signal
import sys
from typing import NoReturn

from config.errors import ConfigurationError
from config.parent import die_with_parent


def become_queue_server(server: str, configuration: str, folders: list[str]) -> NoReturn:
    """Be the queue server.

    Raises:
        ConfigurationError: something of it was removed, and cannot be made again.
        OSError: the server cannot be run.
    """
    if not all(map(os.path.exists, (server, configuration, *folders))):
        server = _made_again()
    _be_alone(os.path.join(os.path.dirname(configuration), "queue.lock"))
    os.umask(0o077)  # its data files hold what users sent, and REDIS_DIR may be an open folder
    os.execv(server, [server, configuration])


def _be_alone(path: str) -> None:
    """Wait until no other server works in the folder: two would write each other's files to pieces.

    The lock lasts as long as this process, which is the server's. A former node's may hang.
    """
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.set_inheritable(lock, True)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.stderr.write(f"waiting for the former queue server of this folder to end; if it does "
                         f"not, look for it with: fuser {path}\n")  # fmt: skip
        sys.stderr.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)


def _made_again() -> str:
    """Make all that the server needs, as at the node's start; the server that there is now."""
    from config.settings import load_settings
    from deploy.folders import make_folders
    from deploy.queue_binary import queue_server_of
    from deploy.queue_server import prepare_queue_server
    from deploy.sockets import prepare_sockets

    settings = load_settings()
    make_folders(settings)
    prepare_sockets(settings)
    prepare_queue_server(settings)
    return str(queue_server_of(settings))


if __name__ == "__main__":
    _, supervisor, server, configuration, *folders = sys.argv
    die_with_parent(signal.SIGTERM, int(supervisor))  # gracefully
    try:
        become_queue_server(server, configuration, folders)
    except (ConfigurationError, OSError) as error:
        sys.exit(str(error))
