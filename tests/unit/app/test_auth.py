"""The users file: what lets in, what locks out, when a change counts."""

import base64
import json
import logging
import os
from pathlib import Path

import pytest

from app.auth import UsersFile
from app.errors import ApiError, UnauthorizedError


def header(name: str, password: str) -> bytes:
    return b"Basic " + base64.b64encode(f"{name}:{password}".encode())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the users file would be."""
    return tmp_path / "user_to_passwd.json"


def is_in(users: UsersFile, authorization: bytes | None) -> bool:
    try:
        users.user_of(authorization)
    except UnauthorizedError:
        return False
    return True


@pytest.mark.parametrize("text", [None, "{}", " {} \n"])
def test_no_users_let_everybody_in(path: Path, text: str | None) -> None:
    if text is not None:
        path.write_text(text)
    users = UsersFile(path)

    assert users.user_of(None) == "Anonymous"
    assert users.user_of(b"Basic Og==") == "Anonymous"


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'["a"]', b"null", b'"a"', b"1", b'{"a": 1}', b'{"a": null}',
     b'{"a": ["b"]}', b'{"a": ""}', b'{"a": "b",}', b'{"a": "\xff"}', b"\xff\xfe{\0}\0",
     b'{"a": "b"} {"c": "d"}'],
)  # fmt: skip
def test_a_broken_file_locks_everybody_out_and_says_why(
    path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_bytes(content)
    with caplog.at_level(logging.ERROR):
        users = UsersFile(path)

    for authorization in (None, header("a", "b"), header("a", ""), header("", "")):
        assert not is_in(users, authorization)
    assert [record.message for record in caplog.records] == ["users_file_broken"]


def test_a_folder_in_its_place_locks_everybody_out(path: Path) -> None:
    path.mkdir()
    users = UsersFile(path)

    assert not is_in(users, None)
    path.rmdir()
    users.look()
    assert is_in(users, None)


def test_a_file_where_its_folder_should_be_locks_everybody_out(tmp_path: Path) -> None:
    (tmp_path / "conf").write_text("")

    assert not is_in(UsersFile(tmp_path / "conf" / "users.json"), None)


def test_a_password_that_was_accepted_before_is_refused_after_a_change(path: Path) -> None:
    path.write_text('{"a": "one"}')
    users = UsersFile(path)
    assert users.user_of(header("a", "one")) == "a"
    path.write_text('{"a": "two", "b": "one"}')
    users.look()

    assert not is_in(users, header("a", "one"))
    assert users.user_of(header("a", "two")) == "a"
    assert users.user_of(header("b", "one")) == "b"


def test_a_change_counts_even_if_the_files_time_and_size_are_the_same(path: Path) -> None:
    path.write_text('{"a": "one"}')
    before = path.stat()
    users = UsersFile(path)
    path.write_text('{"a": "two"}')
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    users.look()

    assert is_in(users, header("a", "two"))
    assert not is_in(users, header("a", "one"))


def test_a_file_that_is_left_alone_is_read_once(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_text('{"a": "one"}')
    users = UsersFile(path)
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("it was read again"))
    users.look()

    assert is_in(users, header("a", "one"))


@pytest.mark.parametrize("name", ["a", "ü", "用户", "😀", "with space", "\0"])
@pytest.mark.parametrize("password", ["b", "ö:😀", ":", " ", "\0"])
def test_names_and_passwords_may_be_any_text(path: Path, name: str, password: str) -> None:
    path.write_text(json.dumps({name: password}))
    users = UsersFile(path)

    assert users.user_of(header(name, password)) == name
    assert not is_in(users, header(name, password + "x"))
    assert not is_in(users, header(name + "x", password))


def refusal(users: UsersFile, name: str, password: str, address: str) -> int:
    """The status of the answer; 200 if let in."""
    try:
        users.user_of(header(name, password), address)
    except ApiError as error:
        assert "WWW-Authenticate" in error.headers or int(error.headers["Retry-After"]) > 0
        return error.status
    return 200


def test_who_guesses_is_slowed_down_and_nobody_else(path: Path) -> None:
    path.write_text('{"a": "one", "b": "two"}')
    users = UsersFile(path)
    assert refusal(users, "b", "two", "far") == 200
    statuses = [refusal(users, "a", f"{n}", "near") for n in range(50)]

    assert statuses == [401] * 10 + [429] * 40
    assert refusal(users, "a", "one", "near") == 429  # or the answer would tell which is right
    assert refusal(users, "a", "one", "far") == 200
    assert refusal(users, "b", "two", "near") == 200


def test_a_right_password_that_was_accepted_before_tells_nothing_either(path: Path) -> None:
    path.write_text('{"a": "one"}')
    users = UsersFile(path)
    assert refusal(users, "a", "one", "near") == 200
    for n in range(10):
        refusal(users, "a", f"{n}", "near")

    assert refusal(users, "a", "one", "near") == 429


def test_an_address_that_tries_many_names_is_slowed_down(path: Path) -> None:
    path.write_text('{"a": "one", "b": "two"}')
    users = UsersFile(path)
    assert refusal(users, "a", "one", "near") == 200
    statuses = [refusal(users, f"{n}", "x", "near") for n in range(150)]

    assert statuses == [401] * 100 + [429] * 50
    assert refusal(users, "a", "one", "near") == 200  # who works from there goes on
    assert refusal(users, "b", "two", "near") == 429
    assert refusal(users, "b", "two", "far") == 200


def test_mistakes_are_forgiven_with_the_right_password_and_with_a_change(path: Path) -> None:
    path.write_text('{"a": "one"}')
    users = UsersFile(path)
    for password in ["x"] * 9 + ["one"] + ["x"] * 9 + ["one"] + ["x"] * 20:
        refusal(users, "a", password, "near")
    path.write_text('{"a": "other"}')
    users.look()

    assert refusal(users, "a", "other", "near") == 200
