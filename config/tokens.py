"""API tokens: how programs log in. What is kept of a token tells nobody what it was."""

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

PREFIX = "ft_"
FOR_EVER = 0
ID_DIGITS = 12


class TokensFileError(Exception):
    """A file of tokens cannot be understood; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token that was made. Times are seconds since 1970."""

    user: str
    made: int
    expires: int = FOR_EVER

    def is_valid(self, now: float) -> bool:
        """Whether it still lets in."""
        return self.expires == FOR_EVER or now < self.expires


def new_token() -> str:
    """A token that nobody can guess: 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def digest_of(token: str) -> str:
    """What is kept of it: hex SHA-256. A slow hash is for words that people think of."""
    return sha256(token.encode()).hexdigest()


def id_of(digest: str) -> str:
    """By what people call a token: the beginning of its digest, which tells nobody the token."""
    return digest[:ID_DIGITS]


def read_tokens(path: Path) -> dict[str, Token]:
    """The tokens by their digests; none if there is no file.

    Raises:
        TokensFileError: it cannot be read or understood. No token lets in then.
    """
    try:
        return {str(d): _token(fields) for d, fields in orjson.loads(path.read_bytes()).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise TokensFileError(f"it cannot be understood: {error}") from None


def tokens_as_json(tokens: Mapping[str, Token]) -> bytes:
    """The content of a file that keeps these tokens."""
    kept = {digest: asdict(token) for digest, token in tokens.items()}
    return orjson.dumps(kept, option=orjson.OPT_INDENT_2) + b"\n"


def _token(fields: dict[str, Any]) -> Token:
    token = Token(**fields)
    if not isinstance(token.user, str) or type(token.expires) is not int:
        raise ValueError("a token needs a user and the second since 1970 when it expires")
    return token
