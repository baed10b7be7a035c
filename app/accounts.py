"""Who may in, kept in step with the files that say so, for as long as the gateway runs."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.callers import THIS_NODE, Caller
from config.file_state import FileState, file_state
from config.logs import event
from config.settings import Settings
from config.tokens import Token, TokensFileError, digest_of, read_tokens
from config.users import User, UsersFileError, read_users

log = logging.getLogger("fasttask.app")

LOOK_SECONDS = 1.0  # how often the files are looked at; a change counts within 2 s


@dataclass(frozen=True, slots=True)
class Accounts:
    """What the files say. ``locked``: the users file is broken, so nobody may in."""

    users: Mapping[str, User] = field(default_factory=dict)
    tokens: Mapping[str, Token] = field(default_factory=dict)  #: by digest
    node_token: str = ""  #: the digest of this machine's own; empty if it has none
    locked: bool = False

    @property
    def everybody_may(self) -> bool:
        """Whether no credentials are asked for."""
        return not self.locked and not self.users

    @property
    def has_hashes(self) -> bool:
        """Whether somebody's password takes the time of a hash to verify."""
        return any(not user.is_plain for user in self.users.values())

    def caller(self, name: str) -> Caller:
        """A user, as one who was let in."""
        user = self.users[name]
        return Caller(name, user.tasks, sees_all=user.admin)

    def bearer(self, digest: str, now: float) -> Caller | None:
        """Who holds the token of this digest; None if it lets nobody in (any more)."""
        if self.node_token and digest == self.node_token:
            return THIS_NODE
        token = self.tokens.get(digest)
        if token is None or not token.is_valid(now) or token.user not in self.users:
            return None
        return self.caller(token.user)


class AccountFiles:
    """Keeps :class:`Accounts` in step with the files. Broken files lock out; they never let in."""

    def __init__(self, settings: Settings) -> None:
        self._users_file = settings.users_file
        self._tokens_file = settings.tokens_file
        self._node_token_file = settings.node_token_file
        self._seen: list[FileState | None] | None = None
        self._warned_of_plain = False
        self.accounts = Accounts()
        self.look()

    def look(self) -> None:
        """Read the files if one has changed since the last look."""
        files = (self._users_file, self._tokens_file, self._node_token_file)
        states = [file_state(path) for path in files]
        if states == self._seen:
            return
        is_news = self._seen is not None or any(states)
        self._seen = states
        self.accounts = self._read()
        if is_news:
            event(log, logging.INFO, "users_read", users=len(self.accounts.users),
                  tokens=len(self.accounts.tokens), locked=self.accounts.locked)  # fmt: skip

    async def watch(self) -> None:
        """Look at the files again and again, for as long as the gateway runs."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await asyncio.to_thread(self.look)

    def _read(self) -> Accounts:
        try:
            users = read_users(self._users_file)
        except UsersFileError as error:
            event(log, logging.ERROR, "users_file_broken", path=self._users_file, why=error,
                  remedy="mend it: until then nobody can log in")  # fmt: skip
            return Accounts(locked=True)
        self._warn_of_plain(users)
        return Accounts(users, self._read_tokens(), self._read_node_token())

    def _warn_of_plain(self, users: Mapping[str, User]) -> None:
        """Say it once: who has read it does not need it again with each change."""
        plain = sum(user.is_plain for user in users.values())
        if plain and not self._warned_of_plain:
            self._warned_of_plain = True
            event(log, logging.WARNING, "passwords_are_plain", path=self._users_file, users=plain,
                  remedy="make passwords-hash")  # fmt: skip

    def _read_tokens(self) -> dict[str, Token]:
        try:
            return read_tokens(self._tokens_file)
        except TokensFileError as error:
            event(log, logging.ERROR, "tokens_file_broken", path=self._tokens_file, why=error,
                  remedy="mend or remove it: until then no token lets in")  # fmt: skip
            return {}

    def _read_node_token(self) -> str:
        try:
            token = self._node_token_file.read_text().strip()
        except (OSError, ValueError):  # none: then this machine's commands log in as a user
            return ""
        return digest_of(token) if token else ""
