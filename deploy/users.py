"""Who may log in to this node, as its commands need to know."""

from config.errors import ConfigurationError
from config.settings import Settings
from config.users import EXAMPLE, User, UsersFileError, read_users


def users_of(settings: Settings) -> dict[str, User]:
    """The users by name; none if nobody has to log in.

    Raises:
        ConfigurationError: the file cannot be understood; the API lets nobody in.
    """
    try:
        return read_users(settings.users_file)
    except UsersFileError as error:
        raise ConfigurationError(
            [f"{settings.users_file}: {error}; write a JSON object like {EXAMPLE}"]
        ) from None


def first_user(settings: Settings) -> User | None:
    """The first of them, to show how to log in. Raises as `users_of`."""
    return next(iter(users_of(settings).values()), None)
