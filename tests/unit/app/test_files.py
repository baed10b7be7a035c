"""Names of files: what they become, and that none leads out."""

import asyncio
import hashlib
import re
import unicodedata
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from app.callers import ANONYMOUS, Caller
from app.errors import ApiError, DigestError, FileNameError, ForbiddenFileError, NotFoundError
from app.files import FileStore, stored_name
from config.settings import Settings

ANN, BOB = Caller("ann"), Caller("bob")
PREFIX = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}_"
NAMES = st.text(st.sampled_from("a./\\\0\n%é文😀\u202e ") | st.characters(), max_size=300)


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    """Of a node of its own."""
    return make_settings(tasks_dir=Path(__file__).parents[2] / "gateway_tasks")


@pytest.fixture
def store(settings: Settings) -> FileStore:
    """Over an empty FILES_DIR."""
    return FileStore(settings)


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@given(NAMES)
@example("..")
@example("a" * 300)
@example("文" * 100 + ".xlsx")
def test_a_stored_name_is_one_plain_component_or_refused(name: str) -> None:
    try:
        stored = stored_name(name)
    except FileNameError:
        return
    assert re.match(PREFIX, stored)
    assert len(stored.encode()) <= 255
    assert not set(stored) & set("/\\\0\n")
    assert unicodedata.normalize("NFC", name).endswith(re.sub(PREFIX, "", stored))


@pytest.mark.parametrize(
    "name", ["", ".", "..", "/", "a/b", "../a", "a\\b", "a\0b", "\t", "\ud800"]
)
def test_a_name_with_a_folder_or_a_control_character_is_refused(name: str) -> None:
    with pytest.raises(FileNameError):
        stored_name(name)


async def test_a_file_is_saved_in_parts_and_found(settings: Settings, store: FileStore) -> None:
    name = (await store.save("a", chunks(b"one ", b"", b"two"), ANONYMOUS)).name

    assert await store.find(name, ANONYMOUS) == settings.files_dir / name
    assert (settings.files_dir / name).read_bytes() == b"one two"


@pytest.mark.parametrize("parts", [[], [b""], [b"one ", b"two"], [b"x" * 2**20, b"y"]])
async def test_a_file_is_hashed_while_it_is_saved(store: FileStore, parts: list[bytes]) -> None:
    saved = await store.save("a", chunks(*parts), ANONYMOUS)

    assert saved.sha256 == hashlib.sha256(b"".join(parts)).hexdigest()


async def test_another_file_than_the_client_said_is_not_saved(
    settings: Settings, store: FileStore
) -> None:
    with pytest.raises(DigestError, match="send it again"):
        await store.save("a", chunks(b"one"), ANN, lambda: hashlib.sha256(b"two").hexdigest())

    left = [path for path in settings.files_dir.rglob("*") if path.name.endswith("_a")]
    assert left == []


async def test_a_file_of_which_only_a_part_comes_is_not_saved(
    settings: Settings, store: FileStore
) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"a part"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await store.save("a", broken(), ANONYMOUS)

    assert [p for p in settings.files_dir.rglob("*") if p.is_file()] == []


async def test_an_upload_is_its_owners_also_after_a_restart(
    settings: Settings, store: FileStore
) -> None:
    name = (await store.save("a", chunks(b"x"), ANN)).name
    restarted = FileStore(settings)

    assert await restarted.find(name, ANN)
    assert await restarted.find(name, Caller("eve", sees_all=True))
    with pytest.raises(NotFoundError, match=f"no file {name}"):
        await restarted.find(name, BOB)


async def test_what_was_not_uploaded_by_a_user_is_everybodys(
    settings: Settings, store: FileStore
) -> None:
    (settings.files_dir / "by a task").write_text("x")
    anonymous = (await store.save("a", chunks(b"x"), ANONYMOUS)).name

    assert await store.find("by a task", BOB)
    assert await store.find(anonymous, BOB)
    assert not settings.owners_dir.exists()


async def test_a_record_that_cannot_be_read_lets_nobody_have_the_file(
    settings: Settings, store: FileStore
) -> None:
    name = (await store.save("a", chunks(b"x"), ANN)).name
    (settings.owners_dir / name).write_bytes(b"\xff")

    with pytest.raises(NotFoundError):
        await store.find(name, ANN)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("", FileNameError), ("..", FileNameError), ("/etc/passwd", FileNameError),
        ("a//b", FileNameError), ("a\\b", FileNameError), ("a\0", FileNameError),
        ("fasttask", ForbiddenFileError), ("fasttask/conf", ForbiddenFileError),
        ("missing", NotFoundError), ("x" * 300, NotFoundError), ("x/" * 3000 + "x", NotFoundError),
    ],
)  # fmt: skip
async def test_a_file_that_may_not_be_found(
    store: FileStore, name: str, error: type[ApiError]
) -> None:
    with pytest.raises(error):
        await store.find(name, ANONYMOUS)


def test_no_name_finds_what_is_not_a_users(settings: Settings, store: FileStore) -> None:
    root = settings.files_dir
    (root / "a").mkdir()
    for folder in (root, root / "a", root.parent, settings.conf_dir):
        for name in ("x", "a.é"):
            (folder / name).write_text("content")
    (root / "link").symlink_to("..")
    parts = st.sampled_from(
        ["x", "a", "a.é", "link", "fasttask", "conf", "..", ".", "", "\\", "%2e"]
    )
    paths = st.lists(parts, max_size=6).map("/".join)

    @settings_of_hypothesis(max_examples=500)
    @given(paths | NAMES)
    @example("link/x")
    @example("a/x")
    def check(name: str) -> None:
        try:
            found = asyncio.run(store.find(name, ANONYMOUS))
        except ApiError:
            return
        assert found in (root / "x", root / "a.é", root / "a" / "x", root / "a" / "a.é")

    check()
