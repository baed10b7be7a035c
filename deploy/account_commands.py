"""``make user``, ``make token``, ``make passwords-hash``: who may log in, changed on this machine.

A running node takes each change within two seconds. The files are changed as a whole, by one
command at a time.
"""

import contextlib
import fcntl
import getpass
import os
import secrets
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

from config.audit import Deed, write_deeds
from config.errors import ConfigurationError
from config.ownership import give_to_owner_of
from config.passwords import hashed, is_hashed
from config.settings import Settings
from config.tokens import (
    FOR_EVER,
    Token,
    TokensFileError,
    digest_of,
    new_token,
    read_tokens,
    tokens_as_json,
)
from config.users import EVERY_TASK, User, is_among, users_as_json
from deploy.folders import make_folders
from deploy.private_file import write_private
from deploy.terminal import say
from deploy.users import users_of

LEAST_CHARACTERS = 8
SECONDS_A_DAY = 86_400
MOST_DAYS = 36_500


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
    with _alone(settings):
        users = users_of(settings)
        is_new = name not in users
        write_private(settings.users_file, users_as_json({**users, name: user}))
    say(f"{'made' if is_new else 'changed'} user {name}{', an admin' if admin else ''}; "
        f"may run {', '.join(patterns)}")  # fmt: skip
    if made:
        say(f"password {made}", "it is shown this once; what is kept does not tell it")
    _audit(settings, "set user", name)
    return 0


def make_token(settings: Settings, name: str, days: str) -> int:
    """Make an API token of a user, show it, keep its digest; the exit status.

    Raises:
        ConfigurationError: there is no such user, or a file is broken.
    """
    if name not in users_of(settings):
        raise ConfigurationError([f"there is no user {name!r}; make him first: make user NAME=..."])
    now = int(time.time())
    expires = now + _days(days) * SECONDS_A_DAY if days else FOR_EVER
    token = new_token()
    with _alone(settings):
        kept = _tokens(settings)
        valid = {digest: one for digest, one in kept.items() if one.is_valid(now)}
        added = {**valid, digest_of(token): Token(name, now, expires)}
        write_private(settings.tokens_file, tokens_as_json(added))
    say(f"token {token}", f"it is shown this once; it lets in as {name} {_until(expires)}",
        f"use it as a header: Authorization: Bearer {token}")  # fmt: skip
    _audit(settings, "make token", name)
    return 0


def hash_passwords(settings: Settings) -> int:
    """Put hashes in place of all plain passwords; the exit status.

    Raises:
        ConfigurationError: the users file is broken or cannot be written.
    """
    with _alone(settings):
        users = users_of(settings)
        plain = [user for user in users.values() if user.is_plain]
        for user in plain:
            users[user.name] = replace(user, password=hashed(user.password))
        if plain:
            write_private(settings.users_file, users_as_json(users))
    say(f"{len(plain)} passwords hashed in {settings.users_file}" if plain
        else "there are no plain passwords")  # fmt: skip
    if plain:
        _audit(settings, "hash passwords", ", ".join(user.name for user in plain))
    return 0


@contextlib.contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """While this lasts no other of these commands changes the files."""
    make_folders(settings)
    with (settings.conf_dir / "users.lock").open("w") as lock:
        give_to_owner_of(settings.conf_dir, lock.fileno())
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _audit(settings: Settings, what: str, about: str) -> None:
    """Note what was done and has been said already."""
    if not settings.audit_log:
        return
    try:
        write_deeds(settings, [Deed(_account(), "this machine", what, "done", about)])
    except OSError as error:
        raise ConfigurationError(
            [f"done, but {settings.audit_log_file} cannot be written: {error.strerror}"]
        ) from None


def _account() -> str:
    """Whose shell this is; by number where accounts have no names, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _tokens(settings: Settings) -> dict[str, Token]:
    try:
        return read_tokens(settings.tokens_file)
    except TokensFileError as error:
        raise ConfigurationError(
            [f"{settings.tokens_file}: {error}; mend it, or remove it with all its tokens"]
        ) from None


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


def _patterns(settings: Settings, tasks: str) -> tuple[str, ...]:
    patterns = tuple(part.strip() for part in tasks.split(",") if part.strip()) or EVERY_TASK
    known = settings.loaded_tasks
    idle = [one for one in patterns if not any(is_among(task, (one,)) for task in known)]
    if idle:
        raise ConfigurationError(
            [f"TASKS: {', '.join(idle)} matches no task; the known tasks are {', '.join(known)}"]
        )
    return patterns


def _days(days: str) -> int:
    if not days.isdecimal() or not 1 <= int(days) <= MOST_DAYS:
        raise ConfigurationError([f"DAYS={days}: a number of days from 1 to {MOST_DAYS} is needed"])
    return int(days)


def _until(expires: int) -> str:
    if expires == FOR_EVER:
        return "for ever; give it an end with DAYS=..."
    return f"until {time.strftime('%Y-%m-%d %H:%M', time.gmtime(expires))} UTC"
