"""The node's own queue server: its passwords and its configuration.

Passwords stand in private files only, never on a command line.
"""

import os
import secrets
import string
from pathlib import Path

from config.errors import ConfigurationError
from config.settings import Settings
from deploy.ports import queue_server_host
from deploy.private_file import write_private
from deploy.queue_users import make_admin_password, queue_users

LOG_FOLDER = "appendonlydir"  # below REDIS_DIR
# Scripts give hundreds of small pieces of memory back at once. Of each size the GNU C library keeps
# seven at hand and takes a long way for the others, on which a server without an allocator of its
# own spends a quarter of its time. Nobody else knows this variable. See
# https://sourceware.org/glibc/manual/latest/html_node/Memory-Allocation-Tunables.html
ENVIRONMENT = {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=60000"}
PLAIN = frozenset(os.fsencode(string.ascii_letters + string.digits + string.punctuation + " "))


def configuration_file(settings: Settings) -> Path:
    """What the server is started with."""
    return settings.redis_dir / "queue_server.conf"


def needed_to_start(settings: Settings, server: Path) -> list[Path]:
    """What `queue_process` is told: the program, its configuration, the folders it works in."""
    needed = [server, configuration_file(settings), settings.redis_dir]
    if settings.queue_socket is not None:
        needed.append(settings.queue_socket.parent)
    return needed


def prepare_queue_server(settings: Settings) -> None:
    """Make the passwords, unless there are some, and write the configuration file.

    Raises:
        ConfigurationError: a file cannot be written.
    """
    if not settings.queue_password():
        write_private(settings.queue_password_file, secrets.token_urlsafe(32))
    make_admin_password(settings)
    write_private(configuration_file(settings), queue_server_configuration(settings))


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
        # A log that begins with a snapshot is read by servers of its kind and age only: another one
        # that is installed meanwhile, and found first from then on, would not start on these data.
        "aof-use-rdb-preamble": "no",
        # A full server refuses new jobs; it never forgets one.
        "maxmemory-policy": "noeviction",
        # The counters of many tasks: each change would look through half of such a list.
        "hash-max-listpack-entries": "64",
        **_place(settings),
    }
    admin_password = settings.queue_admin_password_file.read_text().strip()
    text = "".join(f"{name} {value}\n" for name, value in lines.items())
    return text + queue_users(password, admin_password)


def quoted(value: str | Path) -> str:
    """A value as the server's configuration syntax spells it, whatever bytes it consists of."""
    return '"' + "".join(map(_escaped, os.fsencode(value))) + '"'


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
