"""`/upload` and `/download`."""

import hashlib
import os
import re
import resource
import unicodedata
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.integration.app.cluster import Cluster, Gateway
from tests.integration.app.conftest import MOST_UPLOAD_BYTES
from tests.waiting import wait_until

PREFIX = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}_"
CONTENT = bytes(range(256)) * 40
BOUNDARY = "a-boundary"
LARGE = 32 * 2**20  # bytes of a file that no buffer holds


@pytest.fixture
def folder(cluster: Cluster, gateway: Gateway) -> Iterator[Path]:
    """FILES_DIR; nothing may be left of an upload in the gateway's own folder."""
    yield cluster.files
    assert remains(gateway) == []


def remains(gateway: Gateway) -> list[Path]:
    incoming = gateway.folder / "incoming"
    return list(incoming.iterdir()) if incoming.exists() else []


def upload(client: httpx.Client, name: str, content: bytes = CONTENT) -> httpx.Response:
    return client.post("/upload", files={"file": (name, content)})


def download(client: httpx.Client, name: str, **headers: str) -> httpx.Response:
    return client.get("/download", params={"file_name": name}, headers=headers)


def multipart(name: bytes, content: bytes) -> bytes:
    """What no polite client sends: the name is put in as it is."""
    return (
        b"--%s\r\n" % BOUNDARY.encode()
        + b'Content-Disposition: form-data; name="file"; filename="%s"\r\n\r\n' % name
        + content
        + b"\r\n--%s--\r\n" % BOUNDARY.encode()
    )


def upload_raw(client: httpx.Client, name: bytes) -> httpx.Response:
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    return client.post("/upload", content=multipart(name, b"raw"), headers=headers)


@pytest.mark.parametrize(
    "name",
    ["plain.txt", "with space.txt", "übung 😀.txt", "文件.xlsx", "x.tar.gz", ".hidden", "-rf", "~",
     "a'b;c&d.txt", "%2e%2e", "..txt", "C:autoexec", "\u202egpj.exe", " ", "*?<>|"],
)  # fmt: skip
def test_a_file_comes_back_as_it_was_sent(client: httpx.Client, folder: Path, name: str) -> None:
    answer = upload(client, name)
    stored = answer.json()["file_name"]

    assert answer.status_code == 200
    assert set(answer.json()) == {"file_name", "sha256"}
    assert re.fullmatch(PREFIX + re.escape(name), stored)
    assert (folder / stored).read_bytes() == CONTENT
    assert download(client, stored).content == CONTENT


@pytest.mark.parametrize("size", [0, 1, 2**20, MOST_UPLOAD_BYTES - 1000])
def test_a_file_of_any_size_comes_back_whole(client: httpx.Client, folder: Path, size: int) -> None:
    content = os.urandom(size)
    stored = upload(client, "any", content).json()["file_name"]

    assert (folder / stored).stat().st_size == size
    assert download(client, stored).content == content


@pytest.mark.parametrize("letter", ["a", "é", "文", "😀"])
def test_a_long_name_keeps_its_end(client: httpx.Client, folder: Path, letter: str) -> None:
    stored = upload(client, letter * 300 + ".xlsx").json()["file_name"]

    assert re.match(PREFIX, stored)
    assert stored.endswith(f"{letter}.xlsx")
    assert 250 < len(os.fsencode(stored)) <= 255
    assert (folder / stored).exists()
    assert download(client, stored).content == CONTENT


def test_a_name_is_stored_in_one_form_of_unicode(client: httpx.Client, folder: Path) -> None:
    stored = upload(client, unicodedata.normalize("NFD", "é.txt")).json()["file_name"]

    assert stored.endswith("_é.txt")
    assert (folder / stored).exists()


def test_a_downloaded_file_is_called_by_its_name(client: httpx.Client, folder: Path) -> None:
    (folder / "report ü.txt").write_bytes(CONTENT)
    answer = download(client, "report ü.txt")

    assert answer.headers["content-disposition"].startswith("attachment;")
    assert quote("report ü.txt") in answer.headers["content-disposition"]
    assert answer.headers["content-length"] == str(len(CONTENT))


@pytest.mark.parametrize(
    "name",
    [b"", b".", b"..", b"/etc/passwd", b"../up", b"a/b", b"a\\\\b", b"..\\\\up",
     b"a\0b", b"a\nb", b"a\x1bb", b"a\x7fb", "a\u0085b".encode()],
)  # fmt: skip
def test_a_name_that_is_a_path_or_unprintable_is_refused(
    client: httpx.Client, folder: Path, name: bytes
) -> None:
    before = sorted(folder.iterdir())
    answer = upload_raw(client, name)

    assert 400 <= answer.status_code < 500
    assert set(answer.json()) == {"detail"}
    assert sorted(folder.iterdir()) == before


def test_of_a_windows_path_only_the_name_is_kept(client: httpx.Client, folder: Path) -> None:
    stored = upload_raw(client, b"C:\\Users\\x.txt").json()["file_name"]

    assert re.fullmatch(PREFIX + "x.txt", stored)
    assert (folder / stored).read_bytes() == b"raw"


def test_a_name_that_is_no_utf_8_is_stored_readably_or_refused(
    client: httpx.Client, folder: Path
) -> None:
    answer = upload_raw(client, b"caf\xe9.txt")

    assert answer.status_code in (200, 400, 422)
    if answer.status_code == 200:
        assert (folder / answer.json()["file_name"]).read_bytes() == b"raw"


@pytest.mark.parametrize(
    "fields",
    [{"files": {"other": ("a", b"b")}}, {"data": {"file": "text"}}, {"json": {"file": "a"}},
     {"content": b""}, {"files": {"file": ("", b"b")}},
     {"files": [("file", ("a", b"b")), ("file", ("c", b"d"))]},
     {"files": {"file": ("a", b"b")}, "headers": {"Content-Encoding": "gzip"}},
     {"content": b"junk", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
     {"content": b"junk", "headers": {"Content-Type": "multipart/form-data"}}],
)  # fmt: skip
def test_a_form_without_a_file_is_refused(client: httpx.Client, fields: dict[str, Any]) -> None:
    answer = client.post("/upload", **fields)

    assert answer.status_code in (400, 415, 422)
    assert set(answer.json()) == {"detail"}


@pytest.mark.parametrize("size", [0, 1, len(CONTENT), 2**20 + 1])
def test_the_answer_tells_what_arrived(client: httpx.Client, folder: Path, size: int) -> None:
    content = (CONTENT * (size // len(CONTENT) + 1))[:size]
    answer = upload(client, "hashed", content).json()

    assert set(answer) == {"file_name", "sha256"}
    assert answer["sha256"] == hashlib.sha256(content).hexdigest()
    assert (folder / answer["file_name"]).read_bytes() == content


def test_a_file_of_the_digest_that_was_sent_is_stored(client: httpx.Client, folder: Path) -> None:
    digest = hashlib.sha256(CONTENT).hexdigest()
    answer = client.post("/upload", files={"file": ("x", CONTENT)}, data={"sha256": digest})

    assert answer.json()["sha256"] == digest
    assert (folder / answer.json()["file_name"]).read_bytes() == CONTENT


@pytest.mark.parametrize("digest", [hashlib.sha256(b"another").hexdigest(), "x", ""])
def test_a_file_of_another_digest_is_refused_and_leaves_nothing(
    client: httpx.Client, folder: Path, digest: str
) -> None:
    before = sorted(folder.iterdir())
    answer = client.post("/upload", files={"file": ("x", CONTENT)}, data={"sha256": digest})

    assert answer.status_code == 400
    assert "sha256" in answer.json()["detail"]
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("announced", [True, False])
def test_a_file_that_is_too_large_is_refused_and_leaves_nothing(
    client: httpx.Client, folder: Path, announced: bool
) -> None:
    before = sorted(folder.iterdir())
    body = multipart(b"large", b"x" * MOST_UPLOAD_BYTES)
    answer = client.post(
        "/upload",
        content=body if announced else (body[i : i + 2**16] for i in range(0, len(body), 2**16)),
        headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"},
    )

    assert answer.status_code == 413
    assert set(answer.json()) == {"detail"}
    assert sorted(folder.iterdir()) == before


def test_a_client_that_cuts_its_upload_leaves_nothing(
    client: httpx.Client, gateway: Gateway, folder: Path
) -> None:
    before = sorted(folder.iterdir())
    body = multipart(b"cut", b"x" * 2**20)
    for sent in (0, 100, 2**19, len(body) - 1):
        with gateway.socket() as connection:
            connection.sendall(
                b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n"
                b"Content-Type: multipart/form-data; boundary=%s\r\n\r\n"
                % (len(body), BOUNDARY.encode())
            )
            connection.sendall(body[:sent])

    wait_until(lambda: client.get("/healthz").status_code == 200)
    assert upload(client, "afterwards").status_code == 200
    assert [p for p in folder.iterdir() if p not in before and "afterwards" not in p.name] == []


def test_what_a_killed_gateway_left_of_an_upload_is_removed(own_cluster: Cluster) -> None:
    """By the next one, which leaves alone what others are writing."""
    killed, other = own_cluster.add_gateway(), own_cluster.add_gateway()
    own_cluster.wait_ready()
    folder = killed.folder / "incoming"
    head = b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n"
    head += b"Content-Type: multipart/form-data; boundary=%s\r\n\r\n" % BOUNDARY.encode()
    with killed.socket() as connection:
        connection.sendall(head + multipart(b"cut", b"x" * 2**21))
        wait_until(lambda: remains(killed))
        other.stop()
        own_cluster.add_gateway(FASTTASK_FILES_DIR=killed.folder).wait_ready()
        assert len(remains(killed)) == 1
        killed.kill()
        own_cluster.add_gateway(FASTTASK_FILES_DIR=killed.folder).wait_ready()
        assert list(folder.iterdir()) == []


def test_a_full_disk_is_told_and_leaves_nothing(own_cluster: Cluster) -> None:
    """Here as a limit on the size of files, which a process sees the same way."""
    gateway = own_cluster.add_gateway()
    own_cluster.wait_ready()
    _, hard = resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE)
    with gateway.client() as client:
        resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, (2**20, hard))
        answer = upload(client, "large", b"x" * 2**21)
        assert answer.status_code == 507
        assert set(answer.json()) == {"detail"}
        assert upload(client, "small", b"x" * 2**19).status_code == 200
        resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        assert upload(client, "large", b"x" * 2**21).status_code == 200
    assert remains(gateway) == []
    names = sorted(p.name.partition("_")[2] for p in own_cluster.files.iterdir() if p.is_file())
    assert names == ["large", "small"]


def test_files_of_the_same_name_sent_at_once_are_all_kept(
    client: httpx.Client, folder: Path
) -> None:
    contents = [b"%d" % i * 10_000 for i in range(20)]
    with ThreadPoolExecutor(8) as threads:
        names = list(threads.map(lambda c: upload(client, "same", c).json()["file_name"], contents))

    assert len(set(names)) == 20
    assert [(folder / name).read_bytes() for name in names] == contents


def test_a_file_that_a_task_writes_can_be_downloaded(client: httpx.Client, folder: Path) -> None:
    result = client.post(
        "/run/store", json={"file_name": "made/by task.txt", "text": "written"}
    ).json()["result"]

    assert download(client, result["file_name"]).text == "written"
    assert (folder / "made" / "by task.txt").exists()


@pytest.mark.parametrize(
    ("asked", "status", "first", "last"),
    [
        ("bytes=0-0", 206, 0, 1),
        ("bytes=100-199", 206, 100, 200),
        ("bytes=10000-", 206, 10_000, 10_240),
        ("bytes=-40", 206, 10_200, 10_240),
        ("bytes=10000-99999", 206, 10_000, 10_240),
        ("bytes=10240-", 416, 0, 0),
        ("bytes=99999-999999", 416, 0, 0),
    ],
)
def test_a_range_of_a_file(
    client: httpx.Client, folder: Path, asked: str, status: int, first: int, last: int
) -> None:
    (folder / "ranges").write_bytes(CONTENT)
    answer = download(client, "ranges", Range=asked)

    assert answer.status_code == status
    if status == 206:
        assert answer.content == CONTENT[first:last]
        assert answer.headers["content-range"] == f"bytes {first}-{last - 1}/{len(CONTENT)}"
    else:
        assert answer.headers["content-range"] in (f"bytes */{len(CONTENT)}", f"*/{len(CONTENT)}")
        assert set(answer.json()) == {"detail"}


@pytest.mark.parametrize(
    ("asked", "length"), [({}, LARGE), ({"Range": "bytes=5-"}, LARGE - 5)], ids=["all", "a range"]
)
def test_of_a_file_that_grows_comes_what_was_there_when_it_was_asked_for(
    client: httpx.Client, gateway: Gateway, folder: Path, asked: dict[str, str], length: int
) -> None:
    mistakes = gateway.log.count("Traceback")
    with (folder / "growing").open("wb") as file:
        file.truncate(LARGE)
    with client.stream("GET", "/download?file_name=growing", headers=asked) as answer:
        with (folder / "growing").open("ab") as file:
            file.write(CONTENT)
        content = b"".join(answer.iter_bytes())

    assert answer.headers["content-length"] == str(length)
    assert len(content) == length
    assert gateway.log.count("Traceback") == mistakes


def test_several_ranges_of_a_file_come_as_the_parts_of_one_answer(
    client: httpx.Client, folder: Path
) -> None:
    (folder / "ranges").write_bytes(CONTENT)
    answer = download(client, "ranges", Range="bytes=5-9,-3")

    assert answer.status_code == 206
    boundary = answer.headers["content-type"].partition("boundary=")[2].encode()
    _, first, second, end = answer.content.split(boundary)
    assert first.partition(b"\r\n\r\n")[2] == CONTENT[5:10] + b"\r\n--"
    assert second.partition(b"\r\n\r\n")[2] == CONTENT[-3:] + b"\r\n--"
    assert end == b"--"


@pytest.mark.parametrize("asked", ["bytes=9-5", "bytes=x-y", "bytes", "bytes=", "bytes=--", "1-2"])
def test_a_range_that_is_none_is_ignored_or_refused_in_json(
    client: httpx.Client, folder: Path, asked: str
) -> None:
    (folder / "ranges").write_bytes(CONTENT)
    answer = download(client, "ranges", Range=asked)

    assert answer.status_code in (200, 400, 416)
    if answer.status_code == 200:
        assert answer.content == CONTENT
    else:
        assert set(answer.json()) == {"detail"}


@pytest.mark.parametrize("name", ["missing", "no/such/folder/x", "x" * 300, "a/" * 300 + "b", "%"])
def test_a_missing_file_is_not_found(client: httpx.Client, name: str) -> None:
    answer = download(client, name)

    assert answer.status_code == 404
    assert set(answer.json()) == {"detail"}


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../conf", "/etc/passwd", "//etc/passwd", "a/../b", "./a", "a//b", "a/",
     "a\\b", "..\\conf", "a\0", "\0", "a\nb", "fasttask/../fasttask/output"],
)  # fmt: skip
def test_a_download_name_that_is_no_relative_path_is_refused(
    client: httpx.Client, name: str
) -> None:
    answer = download(client, name)

    assert answer.status_code == 400
    assert set(answer.json()) == {"detail"}


@pytest.mark.parametrize(
    "query",
    ["file_name=%2e%2e%2fx", "file_name=..%2fx", "file_name=%2fetc%2fpasswd", "file_name=a%5cb",
     "file_name=a%00b", "file_name=%ff%fe", "file_name=%c0%ae%c0%ae%2fx",
     "file_name=%252e%252e%252fx"],
)  # fmt: skip
def test_no_encoding_of_a_name_leads_out(client: httpx.Client, query: str) -> None:
    answer = client.get(f"/download?{query}")

    assert answer.status_code in (400, 404)
    assert set(answer.json()) == {"detail"}


@pytest.mark.parametrize("name", ["fasttask", "fasttask/output", "fasttask/conf/x", "fasttask/no"])
def test_our_own_folder_is_forbidden(client: httpx.Client, gateway: Gateway, name: str) -> None:
    assert gateway.folder.name == "fasttask"
    answer = download(client, name)

    assert answer.status_code == 403
    assert set(answer.json()) == {"detail"}


@pytest.mark.parametrize(
    ("link", "target"),
    [("link-out", "/etc/passwd"), ("link-up", "../worker/output"), ("link-in", "fasttask/output"),
     ("link-dir", "fasttask")],
)  # fmt: skip
def test_a_link_that_leads_out_or_to_our_own_folder_is_forbidden(
    client: httpx.Client, folder: Path, link: str, target: str
) -> None:
    (folder / link).symlink_to(target)

    assert download(client, link).status_code == 403
    if link == "link-dir":
        assert download(client, "link-dir/output").status_code == 403


def test_a_link_within_the_folder_is_followed(client: httpx.Client, folder: Path) -> None:
    (folder / "target").write_bytes(CONTENT)
    (folder / "link").symlink_to("target")

    assert download(client, "link").content == CONTENT


def test_links_in_a_circle_are_not_found(client: httpx.Client, folder: Path) -> None:
    (folder / "circle").symlink_to("circle")

    assert download(client, "circle").status_code == 404


def test_a_folder_that_only_begins_like_ours_is_not_forbidden(
    client: httpx.Client, folder: Path
) -> None:
    (folder / "fasttaskX").mkdir()
    (folder / "fasttaskX" / "file").write_bytes(CONTENT)

    assert download(client, "fasttaskX/file").content == CONTENT
    assert download(client, "fasttaskX").status_code == 404


def test_what_is_no_file_is_not_found(client: httpx.Client, folder: Path) -> None:
    os.mkfifo(folder / "pipe")

    assert download(client, "pipe").status_code == 404


def test_a_download_needs_a_name(client: httpx.Client) -> None:
    assert client.get("/download").status_code == 422
    assert download(client, "x" * 4097).status_code == 422
