"""Requests that two readers could take differently: one behind a proxy must not hide another.

What https://www.rfc-editor.org/rfc/rfc9112 has a server refuse and the parser does not. That
refuses all else of the kind: two lengths, a length and chunks, line feeds for line ends.
"""

from collections.abc import Iterable

VERSIONS = frozenset({"1.0", "1.1"})
OF_A_BODY = frozenset({b"content-length", b"transfer-encoding"})


class AmbiguousRequestError(ValueError):
    """The head of a request that can be taken in more than one way."""


def refuse_ambiguous(
    version: str, headers: Iterable[tuple[bytes, bytes]], *, upgrades: bool
) -> None:
    """Look at a head. ``upgrades``: what follows is to be another protocol, and is not read.

    Raises:
        AmbiguousRequestError: it is of another HTTP, names no host or two, or asks for another
            protocol and has a body.
    """
    names = [name for name, _ in headers]
    hosts = names.count(b"host")
    if version not in VERSIONS or hosts > 1 or (hosts < 1 and version != "1.0"):
        raise AmbiguousRequestError
    if upgrades and not OF_A_BODY.isdisjoint(names):
        raise AmbiguousRequestError
