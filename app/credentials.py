"""What a client shows to be let in: a name and a password, or an API token."""

import base64
import binascii
import contextlib
from dataclasses import dataclass, field

from app.errors import UnauthorizedError


@dataclass(frozen=True, slots=True)
class Password:
    """HTTP Basic: https://www.rfc-editor.org/rfc/rfc7617."""

    name: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token: https://www.rfc-editor.org/rfc/rfc6750."""

    token: str = field(repr=False)


def credentials(authorization: bytes) -> Password | Bearer:
    """What an Authorization header says.

    Raises:
        UnauthorizedError: nothing that is understood here.
    """
    scheme, _, rest = authorization.partition(b" ")
    with contextlib.suppress(binascii.Error, UnicodeDecodeError):
        if scheme.lower() == b"bearer":
            return Bearer(rest.decode())
        if scheme.lower() == b"basic":
            name, colon, password = base64.b64decode(rest, validate=True).decode().partition(":")
            if colon:
                return Password(name, password)
    raise UnauthorizedError
