"""Becomes the queue server: ``python -m deploy.queue_process SUPERVISOR SERVER CONFIGURATION``.

Configuration and server were found out when the node was started; this loads nothing that takes
time, for the other parts of the node start beside it.
"""

import os
import signal
import sys
from typing import NoReturn

from config.parent import die_with_parent


def become_queue_server(supervisor: int, server: str, configuration: str) -> NoReturn:
    """Be the queue server, which ends with the supervisor of that process id, gracefully.

    Raises:
        OSError: the server cannot be run.
    """
    die_with_parent(signal.SIGTERM, supervisor)
    os.umask(0o077)  # its data files hold what users sent, and REDIS_DIR may be an open folder
    os.execv(server, [server, configuration])


if __name__ == "__main__":
    _, supervisor, server, configuration = sys.argv
    try:
        become_queue_server(int(supervisor), server, configuration)
    except OSError as error:
        remedy = "stop the node and start it, by which another one is looked for"
        sys.exit(f"{server} cannot be run ({error.strerror}); {remedy}")
