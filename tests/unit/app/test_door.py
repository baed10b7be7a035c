"""The users file: what lets in, what locks out, when a change counts."""

import asyncio
import base64
import json
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.accounts import AccountFiles
from app.callers import Caller
from app.door import Door
from app.errors import ApiError, UnauthorizedError
from config import passwords
from config.logs import Event
from config.passwords import hashed
from config.settings import Settings
from config.tokens import Token, digest_of, new_token, tokens_as_json


def header(name: str, password: str) -> bytes:
    return b"Basic " + base64.b64encode(f"{name}:{password}".encode())


class Users:
    """The door of a gateway and the files that it reads, asked one request at a time."""

    def __init__(self, settings: Settings) -> None:
        self._files = AccountFiles(settings)
        self.door = Door(self._files)
        self.look = self._files.look

    def caller(self, authorization: bytes | None, address: str = "") -> Caller:
        return asyncio.run(self.door.caller(authorization, address))

    def user_of(self, authorization: bytes | None, address: str = "") -> str:
        return self.caller(authorization, address).name


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    """Of a node of its own."""
    return make_settings()


@pytest.fixture
def path(settings: Settings) -> Path:
    """Where the users file would be."""
    return settings.users_file


@pytest.fixture
def read(settings: Settings) -> Callable[[], Users]:
    """Starts a gateway, as far as logging in is concerned."""
    return lambda: Users(settings)


def is_in(users: Users, authorization: bytes | None) -> bool:
    try:
        users.user_of(authorization)
    except UnauthorizedError:
        return False
    return True


@pytest.mark.parametrize("text", [None, "{}", " {} \n"])
def test_no_users_let_everybody_in(path: Path, read: Callable[[], Users], text: str | None) -> None:
    if text is not None:
        path.write_text(text)
    users = read()

    assert users.user_of(None) == "Anonymous"
    assert users.user_of(b"Basic Og==") == "Anonymous"


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'["a"]', b"null", b'"a"', b"1", b'{"a": 1}', b'{"a": null}',
     b'{"a": ["b"]}', b'{"a": ""}', b'{"a": "b",}', b'{"a": "\xff"}', b"\xff\xfe{\0}\0",
     b'{"a": "b"} {"c": "d"}'],
)  # fmt: skip
def test_a_broken_file_locks_everybody_out_and_says_why(
    path: Path, read: Callable[[], Users], content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_bytes(content)
    with caplog.at_level(logging.ERROR):
        users = read()

    for authorization in (None, header("a", "b"), header("a", ""), header("", "")):
        assert not is_in(users, authorization)
    assert [record.message for record in caplog.records] == ["users_file_broken"]


def test_a_folder_in_its_place_locks_everybody_out(path: Path, read: Callable[[], Users]) -> None:
    path.mkdir()
    users = read()

    assert not is_in(users, None)
    path.rmdir()
    users.look()
    assert is_in(users, None)


def test_a_file_where_its_folder_should_be_locks_everybody_out(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    (tmp_path / "conf").write_text("")
    settings = make_settings().model_copy(update={"conf_dir": tmp_path / "conf" / "x"})

    assert not is_in(Users(settings), None)


def test_a_password_that_was_accepted_before_is_refused_after_a_change(
    path: Path, read: Callable[[], Users]
) -> None:
    path.write_text('{"a": "one"}')
    users = read()
    assert users.user_of(header("a", "one")) == "a"
    path.write_text('{"a": "two", "b": "one"}')
    users.look()

    assert not is_in(users, header("a", "one"))
    assert users.user_of(header("a", "two")) == "a"
    assert users.user_of(header("b", "one")) == "b"


def test_a_change_counts_even_if_the_files_time_and_size_are_the_same(
    path: Path, read: Callable[[], Users]
) -> None:
    path.write_text('{"a": "one"}')
    before = path.stat()
    users = read()
    path.write_text('{"a": "two"}')
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    users.look()

    assert is_in(users, header("a", "two"))
    assert not is_in(users, header("a", "one"))


def test_a_file_that_is_left_alone_is_read_once(
    path: Path, read: Callable[[], Users], monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_text('{"a": "one"}')
    users = read()
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("it was read again"))
    users.look()

    assert is_in(users, header("a", "one"))


@pytest.mark.parametrize("name", ["a", "ü", "用户", "😀", "with space", "\0"])
@pytest.mark.parametrize("password", ["b", "ö:😀", ":", " ", "\0"])
def test_names_and_passwords_may_be_any_text(
    path: Path, read: Callable[[], Users], name: str, password: str
) -> None:
    path.write_text(json.dumps({name: password}))
    users = read()

    assert users.user_of(header(name, password)) == name
    assert not is_in(users, header(name, password + "x"))
    assert not is_in(users, header(name + "x", password))


def refusal(users: Users, name: str, password: str, address: str) -> int:
    """The status of the answer; 200 if let in."""
    try:
        users.user_of(header(name, password), address)
    except ApiError as error:
        assert "WWW-Authenticate" in error.headers or int(error.headers["Retry-After"]) > 0
        return error.status
    return 200


def test_who_guesses_is_slowed_down_and_nobody_else(path: Path, read: Callable[[], Users]) -> None:
    path.write_text('{"a": "one", "b": "two"}')
    users = read()
    assert refusal(users, "b", "two", "far") == 200
    statuses = [refusal(users, "a", f"{n}", "near") for n in range(50)]

    assert statuses == [401] * 10 + [429] * 40
    assert refusal(users, "a", "one", "near") == 429  # or the answer would tell which is right
    assert refusal(users, "a", "one", "far") == 200
    assert refusal(users, "b", "two", "near") == 200


def test_a_right_password_that_was_accepted_before_tells_nothing_either(
    path: Path, read: Callable[[], Users]
) -> None:
    path.write_text('{"a": "one"}')
    users = read()
    assert refusal(users, "a", "one", "near") == 200
    for n in range(10):
        refusal(users, "a", f"{n}", "near")

    assert refusal(users, "a", "one", "near") == 429


def test_an_address_that_tries_many_names_is_slowed_down(
    path: Path, read: Callable[[], Users]
) -> None:
    path.write_text('{"a": "one", "b": "two"}')
    users = read()
    assert refusal(users, "a", "one", "near") == 200
    statuses = [refusal(users, f"{n}", "x", "near") for n in range(150)]

    assert statuses == [401] * 100 + [429] * 50
    assert refusal(users, "a", "one", "near") == 200  # who works from there goes on
    assert refusal(users, "b", "two", "near") == 429
    assert refusal(users, "b", "two", "far") == 200


def test_mistakes_are_forgiven_with_the_right_password_and_with_a_change(
    path: Path, read: Callable[[], Users]
) -> None:
    path.write_text('{"a": "one"}')
    users = read()
    for password in ["x"] * 9 + ["one"] + ["x"] * 9 + ["one"] + ["x"] * 20:
        refusal(users, "a", password, "near")
    path.write_text('{"a": "other"}')
    users.look()

    assert refusal(users, "a", "other", "near") == 200


def test_hashed_and_plain_passwords_let_in_side_by_side(
    path: Path, read: Callable[[], Users]
) -> None:
    path.write_text(json.dumps({"a": hashed("one: Ü"), "b": "two", "c": {"password": "three"}}))
    users = read()

    assert users.user_of(header("a", "one: Ü")) == "a"
    assert users.user_of(header("b", "two")) == "b"
    assert users.user_of(header("c", "three")) == "c"
    for name, password in [("a", "two"), ("a", ""), ("b", "one: Ü"), ("nobody", "two")]:
        assert not is_in(users, header(name, password))


def test_a_hash_is_no_password(path: Path, read: Callable[[], Users]) -> None:
    kept = hashed("one")
    path.write_text(json.dumps({"a": kept}))

    assert not is_in(read(), header("a", kept))


@pytest.mark.parametrize(
    "entry",
    [{}, {"password": ""}, {"password": 1}, {"password": "x", "task": ["a"]},
     {"password": "x", "tasks": "a"}, {"password": "x", "tasks": [1]},
     {"password": "x", "admin": 1}, "$argon2id$v=19$m=19456", "$argon2i$v=19$m=8,t=1,p=1$YWE$YWE"],
)  # fmt: skip
def test_what_might_let_in_too_much_lets_nobody_in(
    path: Path, read: Callable[[], Users], entry: object, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_text(json.dumps({"a": entry, "b": "two"}))

    assert not is_in(read(), header("b", "two"))
    assert "users_file_broken" in caplog.messages


def test_a_user_without_a_name_lets_nobody_in(path: Path, read: Callable[[], Users]) -> None:
    path.write_text('{"": "two"}')

    assert not is_in(read(), header("", "two"))


def test_permissions_are_the_files(path: Path, read: Callable[[], Users]) -> None:
    path.write_text(
        json.dumps({"a": {"password": "1", "tasks": ["get_*", "x"]}, "b": {"password": "1",
                    "admin": True}, "c": "1"})
    )  # fmt: skip
    a, b, c = (read().caller(header(name, "1")) for name in "abc")

    tasks = ("get_a", "x", "xy", "forget_a", "GET_A")
    assert [a.may_run(task) for task in tasks] == [True, True, False, False, False]
    assert (b.may_run("xy"), c.may_run("xy")) == (True, True)
    assert (a.sees_all, b.sees_all, c.sees_all) == (False, True, False)


def test_plain_passwords_are_warned_of_once(
    path: Path, read: Callable[[], Users], caplog: pytest.LogCaptureFixture
) -> None:
    path.write_text('{"a": "one", "b": "two"}')
    users = read()
    path.write_text('{"a": "three"}')
    users.look()

    (warned,) = [r for r in caplog.records if isinstance(r, Event) and r.levelno == logging.WARNING]
    assert warned.fields["remedy"] == "make passwords-hash"


def test_a_known_credential_is_not_hashed_again(
    path: Path, read: Callable[[], Users], monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_text(json.dumps({"a": hashed("one")}))
    users = read()
    assert is_in(users, header("a", "one"))
    monkeypatch.setattr("app.door.matches_hash", lambda *_: pytest.fail("it was hashed again"))

    assert is_in(users, header("a", "one"))


def test_an_unknown_user_costs_a_hash_too(
    path: Path, read: Callable[[], Users], monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_text(json.dumps({"a": hashed("one"), "b": "two"}))
    users = read()
    compared: list[str] = []

    def matches(stored: str, password: str) -> bool:
        compared.append(password)
        return passwords.matches_hash(stored, password)

    monkeypatch.setattr("app.door.matches_hash", matches)
    for name, password in [("a", "1"), ("nobody", "2"), ("b", "3"), ("b", "two"), ("a", "one")]:
        is_in(users, header(name, password))

    assert compared == ["1", "2", "3", "two", "one"]


@pytest.fixture
def door(settings: Settings, path: Path) -> Door:
    """Behind which there is one user, with a hash."""
    path.write_text(json.dumps({"a": hashed("one")}))
    return Door(AccountFiles(settings))


async def test_hashing_leaves_the_loop_alone_and_takes_two_cores_at_most(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[str] = set()

    def matches(stored: str, password: str) -> bool:
        threads.add(threading.current_thread().name)
        return passwords.matches_hash(stored, password)

    monkeypatch.setattr("app.door.matches_hash", matches)
    await asyncio.gather(
        *(door.caller(header("a", f"{n}"), f"address{n}") for n in range(8)),
        return_exceptions=True,
    )

    assert threads == {"password_0", "password_1"}


async def test_many_first_requests_at_once_are_one_try(door: Door) -> None:
    callers = await asyncio.gather(*(door.caller(header("a", "one"), "near") for _ in range(32)))

    assert {caller.name for caller in callers} == {"a"}


async def test_a_client_that_leaves_takes_no_other_along(door: Door) -> None:
    first, second = (asyncio.create_task(door.caller(header("a", "one"), "x")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()

    assert (await second).name == "a"


async def test_guesses_at_once_are_slowed_down_like_others(door: Door) -> None:
    answers = await asyncio.gather(
        *(door.caller(header("a", f"{n}"), "near") for n in range(30)), return_exceptions=True
    )

    assert sum(isinstance(answer, UnauthorizedError) for answer in answers) == 10


# ---- tokens ---------------------------------------------------------------------------------


def bearer(token: str) -> bytes:
    return f"Bearer {token}".encode()


def test_a_token_lets_in_as_its_user_until_it_expires(
    settings: Settings, path: Path, read: Callable[[], Users]
) -> None:
    path.write_text('{"a": {"password": "one", "tasks": ["x"]}}')
    now = int(time.time())
    lasting, ending, ended, of_nobody = (new_token() for _ in range(4))
    settings.tokens_file.write_bytes(
        tokens_as_json(
            {
                digest_of(lasting): Token("a", now),
                digest_of(ending): Token("a", now, now + 1000),
                digest_of(ended): Token("a", now - 10, now - 1),
                digest_of(of_nobody): Token("b", now),
            }
        )
    )
    users = read()

    assert users.caller(bearer(lasting)) == Caller("a", ("x",))
    assert users.caller(bearer(ending)) == Caller("a", ("x",))
    for token in (ended, of_nobody, new_token(), "", digest_of(lasting), lasting + "x"):
        assert not is_in(users, bearer(token))
    assert lasting not in settings.tokens_file.read_text()


def test_a_broken_tokens_file_lets_no_token_in_and_passwords_go_on(
    settings: Settings, path: Path, read: Callable[[], Users], caplog: pytest.LogCaptureFixture
) -> None:
    token = new_token()
    path.write_text('{"a": "one"}')
    settings.tokens_file.write_bytes(tokens_as_json({digest_of(token): Token("a", 1)})[:-3])
    users = read()

    assert not is_in(users, bearer(token))
    assert is_in(users, header("a", "one"))
    assert "tokens_file_broken" in caplog.messages
    settings.tokens_file.write_bytes(tokens_as_json({digest_of(token): Token("a", 1)}))
    users.look()
    assert is_in(users, bearer(token))


def test_this_machines_own_commands_see_everything(
    settings: Settings, path: Path, read: Callable[[], Users]
) -> None:
    path.write_text('{"a": "one"}')
    settings.node_token_file.write_text("ft_own\n")

    assert read().caller(bearer("ft_own")).sees_all
    settings.node_token_file.write_text("")
    assert not is_in(read(), bearer(""))


def test_guessed_tokens_are_slowed_down(path: Path, read: Callable[[], Users]) -> None:
    path.write_text('{"a": "one"}')
    users = read()
    statuses = []
    for n in range(120):
        try:
            users.caller(bearer(f"ft_{n}"), "near")
        except ApiError as error:
            statuses.append(error.status)

    assert statuses == [401] * 100 + [429] * 20
