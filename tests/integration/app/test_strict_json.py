"""Bodies that are no JSON, or that no JSON should be: always a 4xx in JSON, soon, never a 500."""

import gzip
import time
from typing import Any

import httpx
import pytest

TASK = '{"how": "repeat", "text": %s}'
BODIES: dict[str, bytes] = {
    "empty": b"",
    "blank": b" \n",
    "text": b"how=repeat",
    "array": b"[]",
    "array of objects": b'[{"how": "repeat"}]',
    "string": b'"how"',
    "number": b"1",
    "null": b"null",
    "true": b"true",
    "cut": b'{"how": "rep',
    "two values": b'{"how": "repeat"}{"how": "repeat"}',
    "trailing comma": b'{"how": "repeat",}',
    "single quotes": b"{'how': 'repeat'}",
    "comment": b'{"how": "repeat" /* well */}',
    "byte order mark": b'\xef\xbb\xbf{"how": "repeat"}',
    "UTF-16": '{"how": "repeat"}'.encode("utf-16"),
    "NUL in text": b'{"how": "repeat", "text": "\0"}',
    "invalid UTF-8": (TASK % '"%s"').encode() % b"\xff\xfe",
    "overlong UTF-8": (TASK % '"%s"').encode() % b"\xc0\xaf",
    "surrogate in UTF-8": (TASK % '"%s"').encode() % b"\xed\xa0\x80",
    "lone high surrogate": (TASK % r'"\ud800"').encode(),
    "lone low surrogate": (TASK % r'"\udc00 "').encode(),
    "lone surrogate as a name": rb'{"how": "repeat", "\ud800": 1}',
    "surrogate as a wrong value": rb'{"how": ["\ud800"]}',
    "NaN": (TASK % "NaN").encode(),
    "Infinity": (TASK % "-Infinity").encode(),
    "1e400": (TASK % "1e400").encode(),
    "100,000 digits": (TASK % ("9" * 100_000)).encode(),
    "-100,000 digits": (TASK % ("-" + "9" * 100_000)).encode(),
    "100,000 digits behind the point": (TASK % ("0." + "9" * 100_000)).encode(),
    "arrays 100,000 deep": (TASK % ("[" * 100_000 + "]" * 100_000)).encode(),
    "objects 100,000 deep": (TASK % ('{"a":' * 100_000 + "1" + "}" * 100_000)).encode(),
    "100,000 open brackets": b"[" * 100_000,
    "an array 500 deep": (TASK % ("[" * 500 + "]" * 500)).encode(),
    "the same name twice": b'{"how": "repeat", "text": "a", "text": "b"}',
    "wrong types only": b'{"how": {"repeat": [1, 2]}, "text": 9e999}',
}


def is_refusal(answer: httpx.Response) -> bool:
    """Whether it is an error that the client can read."""
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json()) == {"detail"}
    return 400 <= answer.status_code < 500


@pytest.mark.parametrize("path", ["/run/act", "/create/act", "/revoke", "/status_info"])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_bad_body_is_refused_soon(client: httpx.Client, path: str, body: bytes) -> None:
    began = time.monotonic()
    answer = client.post(path, content=body, headers={"Content-Type": "application/json"})

    assert is_refusal(answer)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "9" * 400, '"NaN"', '"inf"']
)
def test_no_number_becomes_infinite_or_none_at_all(client: httpx.Client, number: str) -> None:
    body = b'{"seconds": %s}' % number.encode()
    answer = client.post("/create/doze", content=body, headers={"Content-Type": "application/json"})

    assert is_refusal(answer)


@pytest.mark.parametrize(
    "content_type",
    [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "image/png",
     "application", "application/json-seq"],
)  # fmt: skip
def test_a_body_of_another_type_is_refused(client: httpx.Client, content_type: str | None) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}

    assert is_refusal(client.post("/run/act", content=b'{"how": "repeat"}', headers=headers))


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "application/v1+json"])
def test_json_may_have_a_longer_type(client: httpx.Client, content_type: str) -> None:
    answer = client.post(
        "/run/act", content=b'{"how": "repeat"}', headers={"Content-Type": content_type}
    )

    assert answer.json()["result"] == {"text": ""}


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
def test_a_compressed_body_is_refused(client: httpx.Client, encoding: str) -> None:
    answer = client.post(
        "/run/act",
        content=gzip.compress(b'{"how": "repeat", "text": "%s"}' % (b" " * 10_000_000)),
        headers={"Content-Type": "application/json", "Content-Encoding": encoding},
    )

    assert is_refusal(answer)
    assert answer.status_code == 415


@pytest.mark.parametrize(
    "content", [b" " * (2**20 + 1), [b" " * 2**16] * 17], ids=["announced", "in chunks"]
)
@pytest.mark.parametrize("path", ["/run/act", "/create/act", "/revoke", "/status_info"])
def test_a_body_that_is_too_large_is_refused(client: httpx.Client, path: str, content: Any) -> None:
    answer = client.post(path, content=content, headers={"Content-Type": "application/json"})

    assert is_refusal(answer)
    assert answer.status_code == 413


@pytest.mark.parametrize("path", ["/no/such/path", "/", "/run", "/run/", "/check", "//", "/%00"])
def test_an_unknown_path_is_not_found_in_json(client: httpx.Client, path: str) -> None:
    answer = client.post(path, json={})

    assert is_refusal(answer)
    assert answer.status_code in (404, 405)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/run/add"), ("PUT", "/create/add"), ("POST", "/check/add"), ("GET", "/revoke"),
     ("DELETE", "/download"), ("GET", "/upload"), ("POST", "/healthz")],
)  # fmt: skip
def test_a_wrong_method_is_refused_in_json(client: httpx.Client, method: str, path: str) -> None:
    answer = client.request(method, path)

    assert is_refusal(answer)
    assert answer.status_code == 405


@pytest.mark.parametrize(
    ("path", "methods"),
    [("/run/add", "POST"), ("/check/add", "GET"), ("/check/some-id", "GET"),
     ("/status_info", "GET, POST"), ("/docs-assets/swagger-ui.css", "GET, HEAD")],
)  # fmt: skip
def test_a_wrong_method_is_told_the_right_ones(
    client: httpx.Client, path: str, methods: str
) -> None:
    for method in ("DELETE", "OPTIONS"):
        answer = client.request(method, path)

        assert (answer.status_code, answer.headers["allow"]) == (405, methods)
