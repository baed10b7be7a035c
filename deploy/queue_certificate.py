"""Has the queue server take a renewed certificate, without a restart of it.

``python -m deploy.queue_certificate`` looks at the files and asks the server as its ``admin``, by
the private unix socket. The server tries the new pair before it takes it: one that does not fit
together changes nothing. Connections that are open stay.
"""

import logging
import os
import time
from typing import NoReturn

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from config.file_state import FileState, file_state
from config.logs import configure_logging, event
from config.parent import die_with_parent
from config.settings import Settings, load_settings, supervisor_pid

log = logging.getLogger("fasttask.queue")

LOOK_SECONDS = 2.0
ANSWER_SECONDS = 5.0


def watch_for_ever(settings: Settings) -> NoReturn:
    """Tell the server of each new pair, the first time of the one that is there already.

    It may have come between the server's start and this one's.
    """
    told: list[FileState | None] = []
    while True:
        states = [file_state(path) for path in (settings.ssl_certfile, settings.ssl_keyfile)]
        if states != told and tell(settings):
            told = states
        time.sleep(LOOK_SECONDS)


def tell(settings: Settings) -> bool:
    """Have the server load the pair; False if the server is away or busy, as while it starts.

    Before the node's very first start there is not even a password.
    """
    certificate, key = os.fsencode(settings.ssl_certfile), os.fsencode(settings.ssl_keyfile)
    try:
        with _as_admin(settings) as server:
            server.config_set("tls-cert-file", certificate, "tls-key-file", key)
    except (FileNotFoundError, RedisConnectionError, RedisTimeoutError):
        return False
    except RedisError as error:
        event(log, logging.ERROR, "queue_certificate_kept", path=settings.ssl_certfile, why=error,
              remedy="mend the new pair: the queue server uses the former one")  # fmt: skip
    else:
        event(log, logging.INFO, "queue_certificate_loaded", path=settings.ssl_certfile)
    return True


def _as_admin(settings: Settings) -> Redis:
    return Redis(
        unix_socket_path=str(settings.queue_socket),
        username="admin",
        password=settings.queue_admin_password_file.read_text().strip(),
        socket_timeout=ANSWER_SECONDS,
    )


if __name__ == "__main__":
    configure_logging(debug=False)
    die_with_parent(parent=supervisor_pid())
    watch_for_ever(load_settings())
