"""`make token`, `make tokens`, `make token-revoke`."""

import io
import json
import os
import pwd
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from config.errors import ConfigurationError
from config.settings import Settings
from config.tokens import FOR_EVER, Token, digest_of, id_of, read_tokens, tokens_as_json
from deploy.account_commands import set_user
from deploy.token_commands import list_tokens, make_token, revoke_token


@pytest.fixture(autouse=True)
def no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody types one."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))


@pytest.fixture
def some(node: Callable[..., Settings]) -> Settings:
    """A node where a and b are users and have tokens, and so has one who is no user any more."""
    settings = node()
    settings.users_file.write_text('{"a": "1", "b": "2", "idle": "3"}')
    kept = {
        "1" * 64: Token("b", 0), "2" * 64: Token("a", 86_400, 4_102_444_800),
        "3" * 64: Token("b", 60, 120), "4" * 64: Token("gone\x1b[2J", 0),
        "5" * 64: Token("a", "soon", 10**30),  # type: ignore[arg-type]
    }  # fmt: skip
    settings.tokens_file.write_bytes(tokens_as_json({k: v for k, v in kept.items() if k[0] < "5"}))
    by_hand = json.loads(settings.tokens_file.read_bytes())
    by_hand["5" * 64] = {"user": "a", "made": "soon", "expires": 2**62}
    settings.tokens_file.write_text(json.dumps(by_hand))
    return settings


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_token_is_shown_once_and_kept_as_a_digest(
    node: Callable[..., Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    settings = node()
    set_user(settings, "a", "", False)
    make_token(settings, "a", "")
    make_token(settings, "a", "30")
    said = capsys.readouterr().out
    tokens = [line.split()[1] for line in said.splitlines() if line.startswith("token ")]
    for_ever, ending = (read_tokens(settings.tokens_file)[digest_of(token)] for token in tokens)

    assert (for_ever.user, for_ever.expires) == ("a", FOR_EVER)
    assert 0 <= time.time() + 30 * 86_400 - ending.expires < 60
    assert mode(settings.tokens_file) == 0o600
    assert not [token for token in tokens if token in settings.tokens_file.read_text()]


@pytest.mark.parametrize(
    ("user", "days", "reason"),
    [("b", "", "no user 'b'"), ("a", "0", "DAYS=0"), ("a", "x", "DAYS=x"), ("a", "-1", "DAYS")],
)
def test_a_token_that_cannot_be_made(
    node: Callable[..., Settings], user: str, days: str, reason: str
) -> None:
    settings = node()
    settings.users_file.write_text('{"a": "1"}')
    with pytest.raises(ConfigurationError, match=reason):
        make_token(settings, user, days)

    assert not settings.tokens_file.exists()


def test_what_is_said_of_a_new_token_tells_how_to_take_it_back(
    node: Callable[..., Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    settings = node()
    set_user(settings, "a", "", False)
    make_token(settings, "a", "")
    said = capsys.readouterr().out
    token_id = said.rpartition("make token-revoke TOKEN=")[2].strip()
    assert revoke_token(settings, token_id) == 0

    assert read_tokens(settings.tokens_file) == {}
    deeds = [json.loads(line) for line in settings.audit_log_file.read_text().splitlines()]
    assert [(deed["what"], deed["about"], deed["result"]) for deed in deeds] == [
        ("set user", "a", "done"), ("make token", f"a {token_id}", "done"),
        ("revoke token", f"a {token_id}", "done"),
    ]  # fmt: skip


def test_who_did_it_is_not_told_by_the_environment(
    some: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where `make token USER=b` puts the token's user."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "b")
    make_token(some, "b", "")

    assert json.loads(some.audit_log_file.read_text())["who"] == pwd.getpwuid(os.getuid()).pw_name


def test_tokens_are_listed_without_what_is_secret(
    some: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert list_tokens(some, "") == 0

    said = capsys.readouterr().out
    assert [line.split(maxsplit=1) for line in said.splitlines()] == [
        ["id", "user      made (UTC)        lets in"],
        ["2" * 12, "a         1970-01-02 00:00  until 2100-01-01 00:00"],
        ["5" * 12, "a         ?                 until ?"],
        ["1" * 12, "b         1970-01-01 00:00  for ever"],
        ["3" * 12, "b         1970-01-01 00:01  no more since 1970-01-01 00:02"],
        ["4" * 12, "gone?[2J  1970-01-01 00:00  no more: there is no such user"],
    ]
    assert "1" * 13 not in said


def test_those_of_one_user_are_listed(some: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    list_tokens(some, "b")

    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]] == [
        "1" * 12, "3" * 12,
    ]  # fmt: skip


@pytest.mark.parametrize("user", ["", "idle"])
def test_where_there_are_none_it_is_said_how_to_make_one(
    some: Settings, capsys: pytest.CaptureFixture[str], user: str
) -> None:
    if not user:
        some.tokens_file.unlink()
    assert list_tokens(some, user) == 0
    assert capsys.readouterr().out == "there are no tokens; to make one: make token USER=...\n"


def test_tokens_of_nobody_are_not_listed(some: Settings) -> None:
    with pytest.raises(ConfigurationError, match="no user 'c'; make him first"):
        list_tokens(some, "c")


def test_one_token_is_taken_back_and_the_others_stay(some: Settings) -> None:
    before = read_tokens(some.tokens_file)
    revoke_token(some, "2" * 12)

    del before["2" * 64]
    assert read_tokens(some.tokens_file) == before
    assert mode(some.tokens_file) == 0o600


@pytest.mark.parametrize(
    ("token_id", "reason"),
    [("", "make tokens"), ("x", "no token 'x'; .*make tokens"), ("2", "make tokens"),
     ("2" * 64, "make tokens"), ("ft_abc", "not the token")],
)  # fmt: skip
def test_what_is_no_id_takes_nothing_back(some: Settings, token_id: str, reason: str) -> None:
    before = some.tokens_file.read_bytes()
    with pytest.raises(ConfigurationError, match=reason):
        revoke_token(some, token_id)

    assert some.tokens_file.read_bytes() == before
    assert not some.audit_log_file.exists()


def test_a_broken_file_is_not_written_over(some: Settings) -> None:
    some.tokens_file.write_text("{")
    for command in (lambda: list_tokens(some, ""), lambda: revoke_token(some, "2" * 12)):
        with pytest.raises(ConfigurationError, match=r"tokens.json.*mend it"):
            command()

    assert some.tokens_file.read_text() == "{"


def test_an_id_tells_nothing_of_the_token() -> None:
    digest = digest_of("ft_secret")
    assert digest.startswith(id_of(digest))
    assert len(id_of(digest)) == 12
