"""The files of users and tokens, changed by one command at a time, and each change audited."""

import contextlib
import fcntl
import os
import pwd
import time
from collections.abc import Iterator

from config.audit import Deed, write_lines
from config.errors import ConfigurationError
from config.ownership import give_to_owner_of
from config.settings import Settings
from config.tokens import Token, TokensFileError, read_tokens
from deploy.folders import make_folders


@contextlib.contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """While this lasts no other command changes the files."""
    make_folders(settings)
    with (settings.conf_dir / "users.lock").open("w") as lock:
        give_to_owner_of(settings.conf_dir, lock.fileno())
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def tokens_of(settings: Settings) -> dict[str, Token]:
    """The tokens by their digests.

    Raises:
        ConfigurationError: the file cannot be understood; no token lets in.
    """
    try:
        return read_tokens(settings.tokens_file)
    except TokensFileError as error:
        raise ConfigurationError(
            [f"{settings.tokens_file}: {error}; mend it, or remove it with all its tokens"]
        ) from None


def audit(settings: Settings, what: str, about: str) -> None:
    """Note what was done and has been said already.

    Raises:
        ConfigurationError: the audit log cannot be written.
    """
    if not settings.audit_log:
        return
    try:
        deed = Deed(_account(), "this machine", what, "done", about)
        write_lines(settings, deed.line(time.time()))
    except OSError as error:
        raise ConfigurationError(
            [f"done, but {settings.audit_log_file} cannot be written: {error.strerror}"]
        ) from None


def _account() -> str:
    """Whose shell this is; by number where accounts have no names, as in a container."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name  # not what the environment says: see `make token`
    except KeyError:
        return f"uid {os.getuid()}"
