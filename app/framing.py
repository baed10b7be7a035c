"""Requests that two readers could take differently: one behind a proxy must not hide another.

What https://www.rfc-editor.org/rfc/rfc9112 has a server refuse and the parser does not. That
refuses all else of the kind: two lengths, a length and chunks, line feeds for line ends.
"""

from collections.abc import Collection

VERSIONS = frozenset({"1.0", "1.1"})
BLANKS = b" \t"  # around a header's value: section 5
OF_A_BODY = frozenset({b"content-length", b"transfer-encoding"})


class AmbiguousRequestError(ValueError):
    """The head of a request that can be taken in more than one way."""


def refuse_ambiguous(
    version: str, headers: Collection[tuple[bytes, bytes]], *, upgrades: bool
) -> None:
    """Look at a head. ``upgrades``: what follows is to be another protocol, and is not read.

    Raises:
        AmbiguousRequestError: it is of another HTTP, names no host or two, asks for another
            protocol and has a body, or its body is in more than chunks.
    """
    names = [name for name, _ in headers]
    hosts = names.count(b"host")
    if version not in VERSIONS or hosts > 1 or (hosts < 1 and version != "1.0"):
        raise AmbiguousRequestError
    if b"transfer-encoding" in names and not _is_in_chunks_only(headers):
        raise AmbiguousRequestError
    if upgrades and not OF_A_BODY.isdisjoint(names):
        raise AmbiguousRequestError


def _is_in_chunks_only(headers: Collection[tuple[bytes, bytes]]) -> bool:
    """Whether nobody is to undo anything else, such as compression, which is not done here."""
    codings = [
        value.strip(BLANKS).lower() for name, value in headers if name == b"transfer-encoding"
    ]
    return codings == [b"chunked"]
