"""``make user``, ``make passwords-hash``: who may log in, changed on this machine.

A running node takes each change within two seconds.
"""

import getpass
import secrets
import sys
from collections.abc import Collection
from dataclasses import replace

from config.errors import ConfigurationError
from config.nobody import RESERVED
from config.passwords import hashed, is_hashed
from config.settings import Settings
from config.tokens import tokens_as_json
from config.users import EVERY_TASK, User, is_among, users_as_json
from deploy.account_files import alone, audit, tokens_of
from deploy.private_file import write_private
from deploy.terminal import say
from deploy.users import users_of

LEAST_CHARACTERS = 8


def set_user(settings: Settings, name: str, tasks: str, admin: bool) -> int:
    """Make or change a user, with a password that is asked for or made; the exit status.

    ``tasks`` are patterns with commas between them; empty: every task.

    Raises:
        ConfigurationError: the name, the tasks or the password will not do, or a file is broken.
    """
    _check_name(name)
    patterns = _patterns(settings, tasks)
    password = _asked_for()
    made = "" if password else secrets.token_urlsafe(18)
    user = User(name, hashed(password or made), patterns, admin)
    with alone(settings):
        users = users_of(settings)
        is_new = name not in users
        write_private(settings.users_file, users_as_json({**users, name: user}))
    say(f"{'made' if is_new else 'changed'} user {name}{', an admin' if admin else ''}; "
        f"may run {', '.join(patterns)}")  # fmt: skip
    if made:
        say(f"password {made}", "it is shown this once; what is kept does not tell it")
    audit(settings, "set user", name)
    return 0


def remove_user(settings: Settings, name: str) -> int:
    """Remove a user and all his tokens; the exit status.

    Raises:
        ConfigurationError: there is no such user, he is the last one, or a file is broken.
    """
    with alone(settings):
        users, tokens = users_of(settings), tokens_of(settings)
        if name not in users:
            raise ConfigurationError([f"there is no user {name!r}{_among(users)}"])
        if len(users) == 1:
            raise ConfigurationError(
                [f"{name} is the last user: without users everybody may do everything; make "
                 f"another one first, or to have it so remove {settings.users_file}"]
            )  # fmt: skip
        others = {digest: token for digest, token in tokens.items() if token.user != name}
        if others != tokens:  # first: a later user of this name must not find any
            write_private(settings.tokens_file, tokens_as_json(others))
        del users[name]
        write_private(settings.users_file, users_as_json(users))
    say(f"removed user {name} and {len(tokens) - len(others)} tokens",
        "his jobs and files stay; a new user of this name would have them")  # fmt: skip
    audit(settings, "remove user", name)
    return 0


def _among(users: Collection[str]) -> str:
    return f"; there are {', '.join(users)}" if users else "; there are none at all"


def hash_passwords(settings: Settings) -> int:
    """Put hashes in place of all plain passwords; the exit status.

    Raises:
        ConfigurationError: the users file is broken or cannot be written.
    """
    with alone(settings):
        users = users_of(settings)
        plain = [user for user in users.values() if user.is_plain]
        for user in plain:
            users[user.name] = replace(user, password=hashed(user.password))
        if plain:
            write_private(settings.users_file, users_as_json(users))
    say(f"{len(plain)} passwords hashed in {settings.users_file}" if plain
        else "there are no plain passwords")  # fmt: skip
    if plain:
        audit(settings, "hash passwords", ", ".join(user.name for user in plain))
    return 0


def _asked_for() -> str:
    """The password that is typed, or comes by a pipe; empty to have one made."""
    if not sys.stdin.isatty():
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = getpass.getpass("password (empty: one is made): ")
        if password and getpass.getpass("the same again: ") != password:
            raise ConfigurationError(["the two are not the same; nothing was changed"])
    too_short = len(password) < LEAST_CHARACTERS
    if password and (too_short or is_hashed(password) or not password.isprintable()):
        raise ConfigurationError(
            [f"a password has {LEAST_CHARACTERS} characters at least, all of them printable"]
        )
    return password


def _check_name(name: str) -> None:
    if not name or ":" in name or not name.isprintable():
        raise ConfigurationError(
            ["NAME is required: printable characters, and no colon, for HTTP Basic has no way "
             "to send one in a name"]
        )  # fmt: skip
    if name in RESERVED:
        raise ConfigurationError([f"{name} is {RESERVED[name]}; take another name"])


def _patterns(settings: Settings, tasks: str) -> tuple[str, ...]:
    patterns = tuple(part.strip() for part in tasks.split(",") if part.strip()) or EVERY_TASK
    known = settings.loaded_tasks
    idle = [one for one in patterns if not any(is_among(task, (one,)) for task in known)]
    if idle:
        raise ConfigurationError(
            [f"TASKS: {', '.join(idle)} matches no task; the known tasks are {', '.join(known)}"]
        )
    return patterns
