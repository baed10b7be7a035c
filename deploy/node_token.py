"""The token by which this machine's own commands log in to its API, whoever the users are.

Who can read it can read everything else that the node keeps as well, so it may see all.
"""

from config.errors import ConfigurationError
from config.settings import Settings
from config.tokens import new_token
from deploy.private_file import write_private


def make_node_token(settings: Settings) -> None:
    """Make it unless there is one.

    Raises:
        ConfigurationError: it cannot be written.
    """
    if not settings.node_token_file.exists():
        write_private(settings.node_token_file, f"{new_token()}\n")


def node_token(settings: Settings) -> str:
    """The token; empty if there is none.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        return settings.node_token_file.read_text().strip()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ConfigurationError(
            [f"{settings.node_token_file} cannot be read: {error.strerror}; "
             "use the account that runs the node"]
        ) from None  # fmt: skip
