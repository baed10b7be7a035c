"""Uploaded and downloadable files: what FILES_DIR holds, except FastTask's own folder."""

import asyncio
import contextlib
import errno
import hashlib
import unicodedata
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import aiofiles

from app.callers import ANONYMOUS, Caller
from app.errors import (
    DigestError,
    FileNameError,
    ForbiddenFileError,
    NotFoundError,
    StorageFullError,
)
from app.incoming import open_locked, remove_abandoned
from app.owners import FileOwners
from config.settings import Settings

LONGEST_NAME = 255  # bytes, on every common file system


@dataclass(frozen=True, slots=True)
class Saved:
    """An upload that is whole."""

    name: str  #: under which it can be downloaded
    sha256: str  #: of its content, in hex digits


def _nothing_said() -> None:
    return None


class FileStore:
    """Stores uploads under new names and finds files by name, never outside its folder."""

    def __init__(self, settings: Settings) -> None:
        self._root = settings.files_dir.resolve()
        self._private = settings.fasttask_files_dir.resolve()
        self._incoming = self._private / "incoming"
        self._owners = FileOwners(settings.owners_dir)

    async def save(
        self, name: str, chunks: AsyncIterator[bytes], caller: Caller,
        said_sha256: Callable[[], str | None] = _nothing_said,
    ) -> Saved:  # fmt: skip
        """Store a file under a new name, ``<uuid>_<name>``.

        It appears under that name when it is whole, or not at all, and is ``caller``'s, unless
        everybody is anonymous. ``said_sha256`` is asked behind the last chunk what the client says.

        Raises:
            FileNameError: the name has a path in it or cannot be a file's.
            DigestError: what arrived is not what the client said.
            StorageFullError: the disk is full.
        """
        stored = stored_name(name)
        temporary = self._incoming / stored
        digest = hashlib.sha256()
        try:
            self._incoming.mkdir(exist_ok=True)
            async with aiofiles.open(temporary, "xb", opener=open_locked) as file:
                async for chunk in chunks:
                    # Side by side: neither holds up the event loop, nor this the other.
                    await asyncio.gather(file.write(chunk), asyncio.to_thread(digest.update, chunk))
                await file.flush()
                if said_sha256() not in (None, digest.hexdigest()):
                    raise DigestError
                await asyncio.to_thread(self._publish, temporary, stored, caller)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise StorageFullError from None
            raise
        finally:
            await asyncio.to_thread(_forget, temporary)
        return Saved(stored, digest.hexdigest())

    def remove_unfinished(self) -> int:
        """Remove what gateways that were killed have left of uploads; how many files."""
        return remove_abandoned(self._incoming)

    async def find(self, name: str, caller: Caller) -> Path:
        """The file of this name, if it is one of ``caller``'s or everybody's.

        Raises:
            FileNameError: not a relative path below the files folder.
            ForbiddenFileError: it leads to FastTask's own folder, or out by a link.
            NotFoundError: there is no such file, or it is somebody else's.
        """
        relative = _relative_path(name)
        return await asyncio.to_thread(self._locate, relative, caller)

    def _publish(self, temporary: Path, stored: str, caller: Caller) -> None:
        if caller is not ANONYMOUS:
            self._owners.record(stored, caller.name)
        temporary.replace(self._root / stored)

    def _locate(self, relative: PurePosixPath, caller: Caller) -> Path:
        try:
            path = (self._root / relative).resolve()
            is_file = path.is_file()
        except (OSError, RuntimeError):  # a name too long, a loop of links
            raise NotFoundError(f"no file {relative}") from None
        if not path.is_relative_to(self._root) or path.is_relative_to(self._private):
            raise ForbiddenFileError
        if not is_file or not self._may_have(caller, path):
            raise NotFoundError(f"no file {relative}")
        return path

    def _may_have(self, caller: Caller, path: Path) -> bool:
        """Whether a file that was found, all links followed, exists for this caller."""
        if caller.sees_all or path.parent != self._root:  # uploads lie in no folder
            return True
        owner = self._owners.owner_of(path.name)
        return owner is None or caller.owns(owner)


def _forget(temporary: Path) -> None:
    with contextlib.suppress(OSError):  # moved, or never made
        temporary.unlink()


def stored_name(name: str) -> str:
    """A new name for an upload called ``name``; the end of a name that is too long is kept.

    Raises:
        FileNameError: it has a path in it, a control character, or nothing.
    """
    name = unicodedata.normalize("NFC", name)
    if name in ("", ".", "..") or any(c in "/\\" or _is_control(c) for c in name):
        raise FileNameError("a file name without any folder is needed")
    prefix = f"{uuid.uuid4()}_"
    encoded = name.encode("utf-8", "replace")[-(LONGEST_NAME - len(prefix)) :]
    return prefix + encoded.decode("utf-8", "ignore")


def _relative_path(name: str) -> PurePosixPath:
    if not name or "\\" in name or any(map(_is_control, name)):
        raise FileNameError("not a file name")
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise FileNameError("a path below the files folder is needed, without '..' or '//'")
    return PurePosixPath(name)


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs")
