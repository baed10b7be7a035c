"""The users file: who may log in, what each may run, and who sees everything.

A JSON object of names. A value is a password, plain or as an argon2id hash, or an object::

    {"user_A": "$argon2id$...",
     "user_B": {"password": "$argon2id$...", "tasks": ["get_*"], "admin": true}}
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import orjson

from config.nobody import RESERVED
from config.passwords import check_hash, is_hashed

EVERY_TASK = ("*",)
FIELDS = frozenset({"password", "tasks", "admin"})
EXAMPLE = '{"user_A": "user_A_passwd"}'


class UsersFileError(Exception):
    """The users file cannot be understood; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class User:
    """A user as the users file names one. ``password`` is plain or a hash."""

    name: str
    password: str = field(repr=False)
    tasks: tuple[str, ...] = EVERY_TASK  #: patterns of the tasks that he may run, as in a shell
    admin: bool = False  #: sees the jobs and files of all users, and looks after the cluster

    @property
    def is_plain(self) -> bool:
        """Whether the file shows this user's password to its readers."""
        return not is_hashed(self.password)

    @property
    def entry(self) -> str | dict[str, Any]:
        """The value in the users file, as short as it can be."""
        given: dict[str, Any] = {"password": self.password}
        if self.tasks != EVERY_TASK:
            given["tasks"] = list(self.tasks)
        if self.admin:
            given["admin"] = True
        return given if len(given) > 1 else self.password


def is_among(task: str, patterns: tuple[str, ...]) -> bool:
    """Whether a task is one of those that a user's patterns name."""
    return patterns == EVERY_TASK or any(fnmatchcase(task, pattern) for pattern in patterns)


def read_users(path: Path) -> dict[str, User]:
    """The users by name, in the order of the file; none if there is no file.

    Raises:
        UsersFileError: it cannot be read or understood. Nobody may in then.
    """
    try:
        content = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsersFileError(f"it cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise UsersFileError(f"it must be an object like {EXAMPLE}")
    return {name: _user(name, entry) for name, entry in content.items()}


def users_as_json(users: Mapping[str, User]) -> bytes:
    """The content of a users file that names these users."""
    entries = {name: user.entry for name, user in users.items()}
    return orjson.dumps(entries, option=orjson.OPT_INDENT_2) + b"\n"


def _user(name: str, entry: object) -> User:
    given = entry if isinstance(entry, dict) else {"password": entry}
    try:
        if not name:
            raise ValueError("needs a name")
        if name in RESERVED:
            raise ValueError(f"is {RESERVED[name]}; rename it")
        if unknown := given.keys() - FIELDS:  # a misspelt "tasks" must not allow all of them
            raise ValueError(f"has no field {min(unknown)!r}; there are password, tasks, admin")
        return User(name, _password(given), _tasks(given), _admin(given))
    except ValueError as error:
        raise UsersFileError(f"user {name!r}: {error}") from None


def _password(given: dict[str, Any]) -> str:
    password = given.get("password")
    if not isinstance(password, str) or not password:
        raise ValueError("the password must be a text that is not empty")
    if is_hashed(password):
        try:
            check_hash(password)
        except ValueError as error:
            raise ValueError(f"the password {error}") from None
    return password


def _tasks(given: dict[str, Any]) -> tuple[str, ...]:
    tasks = given.get("tasks", list(EVERY_TASK))
    if not isinstance(tasks, list) or not all(isinstance(task, str) for task in tasks):
        raise ValueError('"tasks" must be a list of patterns like ["get_*"]')
    return tuple(tasks)


def _admin(given: dict[str, Any]) -> bool:
    admin = given.get("admin", False)
    if not isinstance(admin, bool):
        raise ValueError('"admin" must be true or false')
    return admin
