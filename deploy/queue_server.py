"""The node's own queue server: its passwords, its configuration, and its start.

``python -m deploy.queue_server`` becomes the server. Passwords stand in private files only, never
on a command line.
"""

import os
import secrets
import signal
import string
from pathlib import Path
from typing import NoReturn

from config.errors import ConfigurationError
from config.parent import die_with_parent
from config.settings import Settings, load_settings, supervisor_pid
from deploy.folders import make_folders
from deploy.ports import queue_server_host
from deploy.private_file import write_private
from deploy.queue_binary import find_queue_server
from deploy.queue_users import make_admin_password, queue_users
from deploy.sockets import prepare_sockets
from deploy.terminal import say

LOG_FOLDER = "appendonlydir"  # below REDIS_DIR
PLAIN = frozenset(os.fsencode(string.ascii_letters + string.digits + string.punctuation + " "))


def prepare_queue_server(settings: Settings) -> Path:
    """Make the passwords, unless there are some, and write the configuration file; its path.

    Raises:
        ConfigurationError: a file cannot be written.
    """
    if not settings.queue_password():
        write_private(settings.queue_password_file, secrets.token_urlsafe(32))
    make_admin_password(settings)
    path = settings.redis_dir / "queue_server.conf"
    write_private(path, queue_server_configuration(settings))
    return path


def queue_server_configuration(settings: Settings) -> str:
    """The configuration file's text.

    Raises:
        ConfigurationError: there is no password; a server without one would serve anybody.
    """
    password = settings.queue_password()
    if not password:
        raise ConfigurationError(["the queue server has no password; set TASK_QUEUE_PASSWD"])
    lines = {
        "dir": quoted(settings.redis_dir),
        # An acknowledged write has reached the kernel, with `always` the disk. See queue_sync.
        "appendonly": "yes",
        "appendfsync": "always" if settings.durability == "always" else "no",
        "appenddirname": quoted(LOG_FOLDER),
        "save": '""',
        # A full server refuses new jobs; it never forgets one.
        "maxmemory-policy": "noeviction",
        **_place(settings),
    }
    admin_password = settings.queue_admin_password_file.read_text().strip()
    text = "".join(f"{name} {value}\n" for name, value in lines.items())
    return text + queue_users(password, admin_password)


def quoted(value: str | Path) -> str:
    """A value as the server's configuration syntax spells it, whatever bytes it consists of."""
    return '"' + "".join(map(_escaped, os.fsencode(value))) + '"'


def main() -> NoReturn:
    """Become the queue server; ends with the supervisor, gracefully."""
    die_with_parent(signal.SIGTERM, supervisor_pid())
    settings = load_settings()
    make_folders(settings)
    prepare_sockets(settings)
    configuration = prepare_queue_server(settings)
    server = str(find_queue_server(tls=settings.serves_queue_over_tls))
    os.umask(0o077)  # its data files hold what users sent, and REDIS_DIR may be an open folder
    os.execv(server, [server, str(configuration)])


def _place(settings: Settings) -> dict[str, str]:
    """Where the server is reached: on a unix socket, on a port, or with TLS on both."""
    lines = {"port": "0"}
    if settings.queue_socket is not None:
        lines |= {"unixsocket": quoted(settings.queue_socket), "unixsocketperm": "700"}
    if settings.task_queue_port is not None:
        lines |= _port(settings)
    return lines


def _port(settings: Settings) -> dict[str, str]:
    bind = {"bind": queue_server_host(settings)}
    if not settings.task_queue_tls:
        return {"port": str(settings.task_queue_port), **bind}
    return {
        **bind,
        "tls-port": str(settings.task_queue_port),
        "tls-cert-file": quoted(settings.ssl_certfile),
        "tls-key-file": quoted(settings.ssl_keyfile),
        "tls-auth-clients": "no",  # clients prove themselves by the password
        "tls-protocols": '"TLSv1.2 TLSv1.3"',
    }


def _escaped(byte: int) -> str:
    if byte in b'"\\':
        return f"\\{byte:c}"
    return chr(byte) if byte in PLAIN else f"\\x{byte:02x}"


if __name__ == "__main__":
    try:
        main()
    except ConfigurationError as error:
        say(*error.lines)
        raise SystemExit(1) from None
