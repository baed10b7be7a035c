"""Who may log in to this node: needed to try out its API as one of them."""

import json
from dataclasses import dataclass, field

from config.errors import ConfigurationError
from config.settings import Settings


@dataclass(frozen=True, slots=True)
class User:
    """A user as the users file names one."""

    name: str
    password: str = field(repr=False)


def first_user(settings: Settings) -> User | None:
    """The first user of the users file; None if there are none and so nobody has to log in.

    Raises:
        ConfigurationError: the file cannot be understood; the API would let nobody in.
    """
    path = settings.users_file
    try:
        users = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _broken(settings, f"cannot be read: {error}") from None
    if not isinstance(users, dict) or not all(isinstance(p, str) for p in users.values()):
        raise _broken(settings, "is not what it should be")
    return next((User(name, password) for name, password in users.items()), None)


def _broken(settings: Settings, what: str) -> ConfigurationError:
    return ConfigurationError(
        [
            f"{settings.users_file} {what}; "
            'write a JSON object of names and passwords: {"user_A": "user_A_passwd"}'
        ]
    )
