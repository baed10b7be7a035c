"""The one file of a multipart form, read while it arrives: it is written to no other place."""

import re
from collections.abc import AsyncIterator

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from app.errors import FormError

FIELD = b"file"
DIGEST_FIELD = b"sha256"
SHA256 = re.compile("[0-9a-f]{64}")
LONGEST_DIGEST = 80  # bytes, blanks included
PIECE = 1 << 20  # bytes that are handed on at once


class Upload:
    """The form field `file` of a request. Ask for the name first, then for the content.

    A form may say in its field `sha256` what the file's has to be, before the file or behind it.
    """

    def __init__(self, request: Request) -> None:
        """Raises FormError: the request is not such a form."""
        kind, options = parse_options_header(request.headers.get("content-type"))
        if kind != b"multipart/form-data" or not options.get(b"boundary"):
            raise FormError
        self._body = request.stream()
        self._name: str | None = None
        self._pieces: list[bytes] = []
        self._header = b""
        self._value = b""
        self._disposition = b""
        self._in_file = False
        self._digest = b""
        self._in_digest = False
        self._sha256: str | None = None
        self._whole = False
        try:
            self._parser = MultipartParser(options[b"boundary"], {
                "on_part_begin": self._on_part_begin,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_part_end": self._on_part_end,
                "on_end": self._on_end,
            })  # fmt: skip
        except FormParserError:
            raise FormError from None

    async def name(self) -> str:
        """The file's name, as the client calls it; read as far as there is need to.

        Raises:
            FormError: the form has no such field, or is broken.
        """
        while self._name is None and await self._read_on():
            pass
        if self._name is None:
            raise FormError
        return self._name

    async def content(self) -> AsyncIterator[bytes]:
        """The file's content in pieces, then the rest of the form.

        Raises:
            FormError: the form is broken or ends too early.
        """
        while await self._read_on():
            if sum(map(len, self._pieces)) >= PIECE:
                yield self._take()
        if not self._whole:
            raise FormError("the form ends too early")
        yield self._take()

    def sha256(self) -> str | None:
        """What the client says the content's is, in small hex digits; known when that is read."""
        return self._sha256

    def _take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken

    async def _read_on(self) -> bool:
        """Read some more of the body; False when there is no more."""
        try:
            self._parser.write(await anext(self._body))
        except StopAsyncIteration:
            return False
        except (FormParserError, ClientDisconnect) as error:
            raise FormError(f"the form is broken: {error}") from None
        return True

    # ---- what the parser calls --------------------------------------------------------------

    def _on_part_begin(self) -> None:
        self._disposition = b""

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header = self._value = b""

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._in_digest = options.get(b"name") == DIGEST_FIELD
        if options.get(b"name") != FIELD or b"filename" not in options:
            return
        if self._name is not None:
            raise FormError("one file at a time")
        self._in_file = True
        self._name = _text(options[b"filename"])

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._pieces.append(data[start:end])
        elif self._in_digest and len(self._digest) <= LONGEST_DIGEST:
            self._digest += data[start:end]

    def _on_part_end(self) -> None:
        if self._in_digest:
            self._sha256 = _sha256(self._digest)
        self._in_file = self._in_digest = False

    def _on_end(self) -> None:
        self._whole = True


def _sha256(text: bytes) -> str:
    digest = text.decode("latin-1").strip().lower()
    if not SHA256.fullmatch(digest):
        raise FormError("the field `sha256` needs 64 hex digits, as `sha256sum` prints them, once")
    return digest


def _text(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("latin-1")
