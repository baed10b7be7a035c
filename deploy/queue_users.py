"""Who may do what on the node's queue server: its access control list.

A bare password means the user ``default``: with TASK_QUEUE_PASSWD workers, gateways and arq's
clients are that user, whom the server lets work on the queues and not rule it. The user ``admin``
may do everything; its random password is in a file of this machine. Of a node's parts only
`queue_certificate` uses it.

Commands inside a script count as its caller's, so the list names those as well.
See https://valkey.io/topics/acl/.
"""

import hashlib
import secrets

from config.settings import Settings
from deploy.private_file import write_private

KEY_PATTERNS = ("arq:*", "ft:*")
CHANNEL_PATTERNS = ("ft:cancel:*", "ft:done:*")

# What every client sends on its own: AUTH, HELLO, PING, SELECT, CLIENT SETINFO ...; listing and
# killing other clients is taken away again. A category, because servers know different ones.
CLIENTS = ("+@connection", "-@admin", "-@dangerous")
OF_PARTS = ("fcall", "function|load", "blpop", "subscribe", "unsubscribe")
OF_ARQ = ("watch", "unwatch", "multi", "exec", "discard", "psetex")
OF_SCRIPTS = (
    "copy", "del", "exists", "expire", "get", "hdel", "hgetall", "hincrby", "hmget",
    "hset", "llen", "lpop", "lpush", "mget", "pexpire", "pttl", "publish", "rpush", "set", "time",
    "zadd", "zcard", "zcount", "zpopmin", "zrange", "zrangebyscore", "zrem", "zremrangebyscore",
    "zrevrangebyscore", "zscore",
)  # fmt: skip
ADMIN = ("on", "~*", "&*", "+@all")


def make_admin_password(settings: Settings) -> None:
    """Make the password of ``admin``, unless there is one.

    Raises:
        ConfigurationError: its file cannot be written.
    """
    path = settings.queue_admin_password_file
    if not path.exists() or not path.read_text().strip():
        write_private(path, secrets.token_urlsafe(32))


def queue_users(password: str, admin_password: str) -> str:
    """The lines of the server's configuration that say who there is and what each may do."""
    keys = [f"~{pattern}" for pattern in KEY_PATTERNS]
    channels = [f"&{pattern}" for pattern in CHANNEL_PATTERNS]
    commands = [f"+{command}" for command in (*OF_PARTS, *OF_ARQ, *OF_SCRIPTS)]
    default = ["on", _digest(password), *keys, "resetchannels", *channels]
    return (
        f"user default {' '.join([*default, '-@all', *CLIENTS, *commands])}\n"
        f"user admin {' '.join([_digest(admin_password), *ADMIN])}\n"
    )


def _digest(password: str) -> str:
    """A password as the server keeps it; a stolen configuration does not tell it."""
    return f"#{hashlib.sha256(password.encode()).hexdigest()}"
