"""Passwords as they are kept: argon2id hashes, or plain texts that nobody has hashed yet."""

import hmac

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import Argon2Error, InvalidHashError

# The least memory that OWASP's Password Storage Cheat Sheet recommends: whoever tries passwords
# makes the gateway pay this, so no more than needed. 19 MiB, two rounds: about 0.03 s.
HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
MARK = "$argon2"
# Of a password that nobody has or knows: an unknown user's is compared with it, to take as long.
NOBODYS = (
    "$argon2id$v=19$m=19456,t=2,p=1$HvOF2DKcQF/XVYNnKW0ROg"
    "$NR/xhBI0nbFWADjSRxedr6n+fEvr3GcnN+RcH7MQjKc"
)


def hashed(password: str) -> str:
    """The argon2id hash to keep in place of ``password``; takes a while."""
    return HASHER.hash(password.encode())


def is_hashed(stored: str) -> bool:
    """Whether this is meant to be a hash."""
    return stored.startswith(MARK)


def check_hash(stored: str) -> None:
    """Raises ValueError if this is no argon2id hash that can be compared with."""
    try:
        kind = extract_parameters(stored).type.name
    except (InvalidHashError, ValueError):
        raise ValueError("is not a whole argon2 hash; make it with: make passwords-hash") from None
    if kind != "ID":
        raise ValueError(f"is an argon2{kind.lower()} hash; only argon2id ones are taken")


def matches_hash(stored: str, password: str) -> bool:
    """Whether ``stored`` is a hash of ``password``; takes as long for a wrong one."""
    try:
        return HASHER.verify(stored, password.encode())
    except (Argon2Error, InvalidHashError):
        return False


def matches_plain(stored: str, password: str) -> bool:
    """Whether the two are the same, without a hint of how far they are."""
    return hmac.compare_digest(stored.encode(), password.encode())
