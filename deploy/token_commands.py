"""``make token``, ``make tokens``, ``make token-revoke``: how programs log in."""

import time
from collections.abc import Mapping

from config.errors import ConfigurationError
from config.settings import Settings
from config.tokens import (
    FOR_EVER,
    PREFIX,
    Token,
    digest_of,
    id_of,
    new_token,
    tokens_as_json,
)
from config.users import User
from deploy.account_files import alone, audit, tokens_of
from deploy.columns import in_columns
from deploy.private_file import write_private
from deploy.terminal import say
from deploy.users import users_of

SECONDS_A_DAY = 86_400
MOST_DAYS = 36_500
HEAD = ("id", "user", "made (UTC)", "lets in")


def make_token(settings: Settings, name: str, days: str) -> int:
    """Make an API token of a user, show it, keep its digest; the exit status.

    Raises:
        ConfigurationError: there is no such user, or a file is broken.
    """
    now = int(time.time())
    expires = now + _days(days) * SECONDS_A_DAY if days else FOR_EVER
    token = new_token()
    digest = digest_of(token)
    with alone(settings):
        _check_is_user(name, users_of(settings))
        kept = tokens_of(settings)
        valid = {digest: one for digest, one in kept.items() if one.is_valid(now)}
        added = {**valid, digest: Token(name, now, expires)}
        write_private(settings.tokens_file, tokens_as_json(added))
    say(f"token {token}", f"it is shown this once; it lets in as {name} {_until(expires)}",
        f"use it as a header: Authorization: Bearer {token}",
        f"take it back with: make token-revoke TOKEN={id_of(digest)}")  # fmt: skip
    audit(settings, "make token", f"{name} {id_of(digest)}")
    return 0


def list_tokens(settings: Settings, name: str) -> int:
    """Show what is known of all tokens, or those of one user; the exit status.

    Raises:
        ConfigurationError: there is no such user, or a file is broken.
    """
    users, kept = users_of(settings), tokens_of(settings)
    found = {digest: one for digest, one in kept.items() if name in ("", one.user)}
    if name and not found:
        _check_is_user(name, users)
    if not found:
        say("there are no tokens; to make one: make token USER=...")
        return 0
    by_user = sorted(found.items(), key=lambda item: item[1].user)
    say(*in_columns(HEAD, (_row(digest, token, users) for digest, token in by_user)))
    return 0


def revoke_token(settings: Settings, token_id: str) -> int:
    """Take one token back; the exit status.

    Raises:
        ConfigurationError: there is no such token, or a file is broken.
    """
    if token_id.startswith(PREFIX):
        raise ConfigurationError(
            ["TOKEN is the id that `make tokens` lists, not the token: others may read it here"]
        )
    with alone(settings):
        kept = tokens_of(settings)
        digest = next((one for one in kept if id_of(one) == token_id), None)
        if digest is None:
            raise ConfigurationError(
                [f"there is no token {token_id!r}; to see what there is: make tokens"]
            )
        token = kept.pop(digest)
        write_private(settings.tokens_file, tokens_as_json(kept))
    say(f"token {token_id} of {token.user} lets nobody in any more, within two seconds")
    audit(settings, "revoke token", f"{token.user} {token_id}")
    return 0


def _check_is_user(name: str, users: Mapping[str, User]) -> None:
    if name not in users:
        raise ConfigurationError([f"there is no user {name!r}; make him first: make user NAME=..."])


def _row(digest: str, token: Token, users: Mapping[str, User]) -> tuple[str, ...]:
    if token.user not in users:
        lets_in = "no more: there is no such user"
    elif token.is_valid(time.time()):
        lets_in = "for ever" if token.expires == FOR_EVER else f"until {_moment(token.expires)}"
    else:
        lets_in = f"no more since {_moment(token.expires)}"
    return id_of(digest), token.user, _moment(token.made), lets_in


def _moment(seconds: int) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.gmtime(seconds))
    except (TypeError, ValueError, OverflowError, OSError):  # somebody wrote it by hand
        return "?"


def _days(days: str) -> int:
    if not days.isdecimal() or not 1 <= int(days) <= MOST_DAYS:
        raise ConfigurationError([f"DAYS={days}: a number of days from 1 to {MOST_DAYS} is needed"])
    return int(days)


def _until(expires: int) -> str:
    if expires == FOR_EVER:
        return "for ever; give it an end with DAYS=..."
    return f"until {_moment(expires)} UTC"
