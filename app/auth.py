"""Who a request comes from: HTTP Basic against the users file, for every route alike."""

import asyncio
import base64
import binascii
import contextlib
import hmac
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import ApiError, TooManyTriesError, UnauthorizedError, answer
from app.tries import Pace, Tries
from config.logs import event

log = logging.getLogger("fasttask.app")

ANONYMOUS = "Anonymous"
LOOK_SECONDS = 0.5  # how often the users file is looked at; a change counts within 2 s
# From one address as one user: ten wrong passwords, then ten a minute. As anybody: more.
PACE_AS_A_USER = Pace(burst=10, seconds=6)
PACE_FROM_AN_ADDRESS = Pace(burst=100, seconds=1)
Fingerprint = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Users:
    """What the users file says. ``locked``: it cannot be read, so nobody may in."""

    passwords: Mapping[str, str] = field(default_factory=dict)
    locked: bool = False

    @property
    def everybody_may(self) -> bool:
        """Whether no credentials are asked for."""
        return not self.locked and not self.passwords


class UsersFile:
    """Keeps :class:`Users` in step with the file. A broken file locks out; it never lets in."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: Fingerprint | None = None
        self.users = Users()
        self._forget()
        self.look()

    def look(self) -> None:
        """Read the file if it has changed since the last look."""
        fingerprint = self._fingerprint()
        if fingerprint == self._seen and self._seen is not None:
            return
        changed = fingerprint != self._seen
        self._seen = fingerprint
        if changed or fingerprint is None:
            self.users = self._read() if fingerprint is not None else Users()
            self._forget()
        if changed:
            event(log, logging.INFO, "users_read", users=len(self.users.passwords),
                  locked=self.users.locked)  # fmt: skip

    def _forget(self) -> None:
        """Forget who had a right or a wrong password."""
        self._verified: set[bytes] = set()
        self._tries_as = Tries(PACE_AS_A_USER)
        self._tries_from = Tries(PACE_FROM_AN_ADDRESS)

    async def watch(self) -> None:
        """Look at the file again and again, for as long as the gateway runs."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await asyncio.to_thread(self.look)

    def user_of(self, authorization: bytes | None, address: str = "") -> str:
        """The name of the user behind an Authorization header that came from ``address``.

        Raises:
            UnauthorizedError: credentials are asked for, and these are none or wrong.
            TooManyTriesError: they were wrong too often: these were not even looked at.
        """
        if self.users.everybody_may:
            return ANONYMOUS
        if authorization is None or self.users.locked:
            raise UnauthorizedError
        name, password = _credentials(authorization)
        verified = self._verified  # if the file changes meanwhile, another set takes its place
        # Before it is known whether they are right, or the answer would tell.
        if (seconds := self._tries_as.wait_seconds((address, name))) > 0:
            raise TooManyTriesError(seconds)
        if authorization in verified:  # users are let in from where somebody else guesses
            return name
        if (seconds := self._tries_from.wait_seconds(address)) > 0:
            raise TooManyTriesError(seconds)
        try:
            self._verify(name, password)
        except UnauthorizedError:
            self._tries_as.failed((address, name))
            self._tries_from.failed(address)
            raise
        self._tries_as.forgive((address, name))
        verified.add(authorization)
        return name

    def _verify(self, name: str, password: str) -> None:
        expected = self.users.passwords.get(name)
        # An unknown name costs the same comparison as a wrong password.
        matches = hmac.compare_digest(password.encode(), (expected or "\0").encode())
        if expected is None or not matches:
            raise UnauthorizedError

    def _fingerprint(self) -> Fingerprint | None:
        try:
            status = os.stat(self._path)  # noqa: PTH116  one call that also fails in one way
        except FileNotFoundError:
            return None
        except OSError:
            return (0, 0, 0, 0)
        return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino

    def _read(self) -> Users:
        try:
            return Users(_checked(orjson.loads(self._path.read_bytes())))
        except (OSError, ValueError) as error:
            event(log, logging.ERROR, "users_file_broken", path=self._path, why=error,
                  remedy="mend it: until then nobody can log in")  # fmt: skip
            return Users(locked=True)


class Authentication:
    """ASGI middleware: no request gets past it without a user in ``scope["state"]["user"]``."""

    def __init__(self, app: ASGIApp, users: UsersFile) -> None:
        self._app = app
        self._users = users

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Identify the user or answer 401 or 429."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            user = self._users.user_of(_authorization(scope), _address(scope))
        except ApiError as error:
            refusal = answer(error.status, str(error), error.headers)
            await refusal(scope, receive, send)
            return
        scope.setdefault("state", {})["user"] = user
        await self._app(scope, receive, send)


def _authorization(scope: Scope) -> bytes | None:
    return next((value for name, value in scope["headers"] if name == b"authorization"), None)


def _address(scope: Scope) -> str:
    return scope["client"][0] if scope.get("client") else ""


def _credentials(authorization: bytes) -> tuple[str, str]:
    scheme, _, encoded = authorization.partition(b" ")
    with contextlib.suppress(binascii.Error, UnicodeDecodeError):
        if scheme.lower() == b"basic":
            name, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
            if colon:
                return name, password
    raise UnauthorizedError


def _checked(content: object) -> dict[str, str]:
    if not isinstance(content, dict):
        raise ValueError('it must be an object like {"user": "password"}')
    wrong = [name for name, password in content.items() if not isinstance(password, str)]
    if wrong or "" in content.values():
        raise ValueError(f"each password must be a text that is not empty: {', '.join(wrong)}")
    return content
