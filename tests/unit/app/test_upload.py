"""A form is read the same however it is cut into pieces, and never further than it has to be."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message

from app.errors import FormError
from app.upload import PIECE, Upload

HEAD = b'--x\r\nContent-Disposition: form-data; name="%s"\r\nContent-Type: text/plain\r\n\r\n'
OTHER = HEAD % b"note" + b"text"
FILE = HEAD % b'file"; filename="a b.txt' + b"%s"
END = b"\r\n--x--\r\n"


def request(*chunks: bytes, kind: str = "multipart/form-data; boundary=x") -> Request:
    messages: list[Message] = [
        {"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks
    ]
    messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> Message:
        return messages.pop(0)

    headers = [(b"content-type", kind.encode())]
    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


async def read(upload: Upload) -> tuple[str, list[bytes]]:
    return await upload.name(), [piece async for piece in upload.content()]


def read_now(*chunks: bytes) -> tuple[str, bytes]:
    name, pieces = asyncio.run(read(Upload(request(*chunks))))
    return name, b"".join(pieces)


@given(st.binary(max_size=200), st.integers(1, 50), st.booleans(), st.booleans())
def test_a_file_is_read_however_it_is_cut(
    content: bytes, size: int, before: bool, after: bool
) -> None:
    content = content.replace(b"\r\n--x", b"")
    parts = [OTHER] * before + [FILE % content] + [OTHER] * after
    body = b"\r\n".join(parts) + END

    assert read_now(*(body[i : i + size] for i in range(0, len(body), size))) == (
        "a b.txt",
        content,
    )


DIGEST = bytes(range(32)).hex()


@pytest.mark.parametrize(
    "text", [DIGEST, DIGEST.upper(), f" {DIGEST}\n"], ids=["small", "large", "blanks"]
)
@given(size=st.integers(1, 50), before=st.booleans())
def test_a_digest_is_read_wherever_it_stands(text: str, size: int, before: bool) -> None:
    parts = [HEAD % b"sha256" + text.encode(), FILE % b"content"]
    body = b"\r\n".join(parts if before else reversed(parts)) + END
    upload = Upload(request(*(body[i : i + size] for i in range(0, len(body), size))))

    assert asyncio.run(read(upload))[0] == "a b.txt"
    assert upload.sha256() == DIGEST


@pytest.mark.parametrize(
    "texts", [[""], ["x"], [DIGEST[:-1]], [DIGEST + "0"], ["0" * 100_000], ["é"], [DIGEST] * 2]
)
@pytest.mark.parametrize("before", [True, False])
def test_what_is_no_digest_is_refused(texts: list[str], before: bool) -> None:
    digests = [HEAD % b"sha256" + text.encode() for text in texts]
    parts = [*digests, FILE % b"content"] if before else [FILE % b"content", *digests]
    with pytest.raises(FormError, match="64 hex digits"):
        read_now(b"\r\n".join(parts) + END)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_form_or_refused(body: bytes) -> None:
    with pytest.raises(FormError):
        read_now(body)


@pytest.mark.parametrize("cut", [3, 4, len(END), len(END) + 2, 20, 60, 90])
def test_a_form_that_was_cut_is_refused(cut: int) -> None:
    with pytest.raises(FormError):
        read_now((FILE % b"content" + END)[:-cut])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        END,
        OTHER + END,
        HEAD % b"file" + b"no file" + END,
        FILE % b"" + b"\r\n" + FILE % b"" + END,
    ],
)
def test_a_form_without_exactly_one_file_is_refused(body: bytes) -> None:
    with pytest.raises(FormError):
        read_now(body)


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "multipart/form-data", "multipart/mixed; boundary=x",
             "multipart/form-data; boundary=" + "x" * 1000],
)  # fmt: skip
def test_what_is_no_form_is_refused(kind: str) -> None:
    with pytest.raises(FormError):
        Upload(request(kind=kind))


async def test_no_more_than_a_piece_is_held_in_memory() -> None:
    chunk = b"x" * 2**16
    upload = Upload(request(FILE % b"", *[chunk] * 100, END))
    _, pieces = await read(upload)

    assert sum(map(len, pieces)) == 100 * len(chunk)
    assert max(map(len, pieces)) < PIECE + 2 * len(chunk)


async def test_a_client_that_leaves_is_told_apart_from_the_end() -> None:
    async def receive() -> Message:
        return messages.pop(0)

    messages: list[Message] = [
        {"type": "http.request", "body": FILE % b"half", "more_body": True},
        {"type": "http.disconnect"},
    ]
    headers = [(b"content-type", b"multipart/form-data; boundary=x")]
    upload = Upload(Request({"type": "http", "method": "POST", "headers": headers}, receive))
    content: AsyncIterator[bytes] = upload.content()
    assert await upload.name() == "a b.txt"
    with pytest.raises(FormError):
        await anext(content)
