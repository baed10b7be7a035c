"""What a users file may say."""

from pathlib import Path

import pytest

from app.callers import THIS_NODE
from config.nobody import NOBODY
from config.users import UsersFileError, read_users


@pytest.fixture
def users_file(tmp_path: Path) -> Path:
    return tmp_path / "users.json"


def test_nobody_is_called_what_everybody_was_before_there_were_users(users_file: Path) -> None:
    users_file.write_text(f'{{"a": "1", "{NOBODY}": "2"}}')

    with pytest.raises(UsersFileError, match=f"user '{NOBODY}': .* rename it"):
        read_users(users_file)


def test_nobody_is_called_what_the_nodes_own_commands_are(users_file: Path) -> None:
    users_file.write_text(f'{{"a": "1", "{THIS_NODE.name}": "2"}}')

    with pytest.raises(UsersFileError, match=f"user '{THIS_NODE.name}': .* rename it"):
        read_users(users_file)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[]", "must be an object"),
        ('{"a": ', "cannot be read"),
        ('{"": "1"}', "needs a name"),
        ('{"a": ""}', "not empty"),
        ('{"a": {"password": "1", "task": []}}', "no field 'task'"),
        ('{"a": {"password": "1", "tasks": "get_*"}}', "list of patterns"),
        ('{"a": {"password": "1", "admin": 1}}', "true or false"),
        ('{"a": "$argon2id$nonsense"}', "the password"),
    ],
)
def test_what_is_wrong_is_said(users_file: Path, text: str, why: str) -> None:
    users_file.write_text(text)

    with pytest.raises(UsersFileError, match=why):
        read_users(users_file)
