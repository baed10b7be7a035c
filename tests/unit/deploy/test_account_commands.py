"""`make user`, `make passwords-hash`."""

import io
import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from config.errors import ConfigurationError
from config.passwords import hashed, is_hashed, matches_hash
from config.settings import Settings
from config.tokens import Token, read_tokens, tokens_as_json
from config.users import read_users
from deploy.account_commands import hash_passwords, remove_user, set_user
from deploy.token_commands import make_token


@pytest.fixture(autouse=True)
def no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody types one."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def shown(said: str, word: str) -> str:
    """What a command shows once."""
    return next(line for line in said.splitlines() if line.startswith(f"{word} ")).split()[1]


def test_a_user_is_made_with_a_password_that_is_shown_once(
    node: Callable[..., Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    settings = node()
    assert set_user(settings, "Zoë B", "", False) == 0
    password = shown(capsys.readouterr().out, "password")
    user = read_users(settings.users_file)["Zoë B"]

    assert matches_hash(user.password, password)
    assert (user.tasks, user.admin) == (("*",), False)
    assert mode(settings.users_file) == 0o600
    assert password not in settings.users_file.read_text()


def test_a_password_may_come_by_a_pipe(
    node: Callable[..., Settings],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = node()
    monkeypatch.setattr(sys, "stdin", io.StringIO("correct horse\n"))
    set_user(settings, "a", "get_*, get_circle_area", True)
    user = read_users(settings.users_file)["a"]

    assert matches_hash(user.password, "correct horse")
    assert (user.tasks, user.admin) == (("get_*", "get_circle_area"), True)
    assert "horse" not in capsys.readouterr().out


def test_a_change_leaves_the_others_alone(node: Callable[..., Settings]) -> None:
    settings = node()
    others = {"x": "plain", "y": {"password": hashed("1"), "tasks": ["get_*"]}}
    settings.users_file.write_text(json.dumps(others))
    set_user(settings, "a", "", False)
    set_user(settings, "a", "get_*", False)
    users = json.loads(settings.users_file.read_bytes())

    assert list(users) == ["x", "y", "a"]
    assert {name: users[name] for name in others} == others
    assert users["a"]["tasks"] == ["get_*"]


@pytest.mark.parametrize(
    ("name", "tasks", "typed", "reason"),
    [
        ("", "", "", "NAME is required"), ("a:b", "", "", "colon"), ("a\n", "", "", "NAME"),
        ("Anonymous", "", "", "another name"),
        ("node", "", "", "another name"),
        ("a", "get_nothing*", "", "get_circle_area, get_hypotenuse"),
        ("a", "", "short", "8 characters"), ("a", "", "$argon2id$v=19$", "8 characters"),
        ("a", "", "12345678\udcff", "printable"),
    ],
)  # fmt: skip
def test_what_will_not_do_changes_nothing(
    node: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch,
    name: str, tasks: str, typed: str, reason: str,
) -> None:  # fmt: skip
    settings = node()
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    with pytest.raises(ConfigurationError, match=reason):
        set_user(settings, name, tasks, False)

    assert not settings.users_file.exists()


def test_a_user_is_removed_with_his_tokens(
    node: Callable[..., Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    settings = node()
    settings.users_file.write_text('{"a": "1", "b": {"password": "2", "tasks": ["get_*"]}}')
    tokens = {digest * 64: Token(user, 1) for digest, user in zip("123", "aba", strict=True)}
    settings.tokens_file.write_bytes(tokens_as_json(tokens))

    assert remove_user(settings, "a") == 0
    assert json.loads(settings.users_file.read_bytes()) == {
        "b": {"password": "2", "tasks": ["get_*"]}
    }
    assert set(read_tokens(settings.tokens_file)) == {"2" * 64}
    assert "removed user a and 2 tokens" in capsys.readouterr().out
    [deed] = map(json.loads, settings.audit_log_file.read_text().splitlines())
    assert (deed["what"], deed["about"], deed["result"]) == ("remove user", "a", "done")
    assert mode(settings.users_file) == mode(settings.tokens_file) == 0o600


@pytest.mark.parametrize(
    ("users", "reason"),
    [("{}", "none at all"), ('{"b": "1", "c": "2"}', "no user 'a'; there are b, c"),
     ('{"a": "1"}', "last user: .*make another one first"), ("{", "cannot be read")],
)  # fmt: skip
def test_a_user_that_cannot_be_removed(
    node: Callable[..., Settings], users: str, reason: str
) -> None:
    settings = node()
    settings.users_file.write_text(users)
    settings.tokens_file.write_bytes(kept := tokens_as_json({"1" * 64: Token("a", 1)}))
    with pytest.raises(ConfigurationError, match=reason):
        remove_user(settings, "a")

    assert settings.users_file.read_text() == users
    assert settings.tokens_file.read_bytes() == kept
    assert not settings.audit_log_file.exists()


def test_nobody_is_removed_while_his_tokens_cannot_be(node: Callable[..., Settings]) -> None:
    settings = node()
    settings.users_file.write_text(users := '{"a": "1", "b": "2"}')
    settings.tokens_file.write_text("{")
    with pytest.raises(ConfigurationError, match=r"tokens.json.*mend it"):
        remove_user(settings, "a")

    assert settings.users_file.read_text() == users


def test_plain_passwords_are_hashed_and_hashes_are_left_alone(
    node: Callable[..., Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    settings = node()
    kept = hashed("two")
    content = {"a": "one", "b": kept, "c": {"password": "three", "admin": True}}
    settings.users_file.write_text(json.dumps(content))
    for _ in range(2):
        assert hash_passwords(settings) == 0
    users = read_users(settings.users_file)

    assert all(is_hashed(user.password) for user in users.values())
    assert matches_hash(users["a"].password, "one")
    assert (users["b"].password, users["c"].admin) == (kept, True)
    assert mode(settings.users_file) == 0o600
    assert capsys.readouterr().out.splitlines() == [
        f"2 passwords hashed in {settings.users_file}", "there are no plain passwords",
    ]  # fmt: skip


def test_a_broken_file_is_not_written_over(node: Callable[..., Settings]) -> None:
    settings = node()
    settings.users_file.write_text('{"a": ')
    for command in (lambda: set_user(settings, "a", "", False), lambda: hash_passwords(settings)):
        with pytest.raises(ConfigurationError, match="cannot be read"):
            command()

    assert settings.users_file.read_text() == '{"a": '


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_makes_belongs_to_the_nodes_account(node: Callable[..., Settings]) -> None:
    settings = node()
    for folder in (settings.conf_dir, settings.log_dir, settings.fasttask_files_dir):
        os.chown(folder, 10001, 10002)
    set_user(settings, "a", "", False)
    make_token(settings, "a", "")

    made = [*settings.conf_dir.iterdir(), *settings.log_dir.iterdir(),
            settings.fasttask_files_dir / "audit.lock"]  # fmt: skip
    assert len(made) == 5
    assert {(file.stat().st_uid, file.stat().st_gid) for file in made} == {(10001, 10002)}
