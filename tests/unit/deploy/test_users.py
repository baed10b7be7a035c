from collections.abc import Callable

import pytest

from config.errors import ConfigurationError
from config.settings import Settings
from config.users import User
from deploy.users import first_user


def test_without_a_file_there_is_no_user(node: Callable[..., Settings]) -> None:
    assert first_user(node()) is None


@pytest.mark.parametrize(
    ("text", "user"),
    [
        ("{}", None),
        ('{"user_A": "a", "user_B": "b"}', User("user_A", "a")),
        ('{"Zoë": "pä:ss"}', User("Zoë", "pä:ss")),
    ],
)
def test_the_first_user_is_found(
    node: Callable[..., Settings], text: str, user: User | None
) -> None:
    settings = node()
    settings.users_file.write_text(text)
    assert first_user(settings) == user


@pytest.mark.parametrize("text", ["", "[1", "[]", '{"user_A": 1}', "\x00"])
def test_a_broken_file_is_named_with_the_remedy(node: Callable[..., Settings], text: str) -> None:
    settings = node()
    settings.users_file.write_text(text)
    with pytest.raises(ConfigurationError, match=r"user_to_passwd.json: .*write a JSON object"):
        first_user(settings)


def test_a_password_is_not_shown() -> None:
    assert "word" not in repr(User("user_A", "word"))
