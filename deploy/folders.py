"""The folders of a node: all of them below its FILES_DIR, the secret ones closed to others.

A setting may name a folder elsewhere, on purpose or not: SSL_CERT_DIR is the name of a variable of
OpenSSL as well, and may hold the whole system's certificates. So a folder that is not the node's
own is used as it is: its mode is never changed, and no key is put among what others keep there.
"""

import errno
import os
import shlex
import stat
import tempfile
from pathlib import Path

from config.errors import ConfigurationError
from config.settings import Settings

OPEN = ("files_dir", "fasttask_files_dir", "log_dir")
PRIVATE = ("conf_dir", "redis_dir", "ssl_cert_dir")
PRIVATE_MODE = 0o700
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
PROBE_BYTES = 4096  # a block of most file systems


def make_folders(settings: Settings) -> None:
    """Make every folder that is missing and see that the node can work in all of them.

    Raises:
        ConfigurationError: one line per folder that cannot be made, entered or written, with the
            remedy.
    """
    problems: dict[Path, str] = {}
    for name in (*OPEN, *PRIVATE):
        folder = getattr(settings, name)
        if not problems.keys().isdisjoint(folder.parents):
            continue  # the folder around it is the mistake
        try:
            _make(settings, name, folder)
        except OSError as error:
            problems.setdefault(folder, _sentence(settings, name, folder, error))
    if problems:
        raise ConfigurationError(list(problems.values()))


def check_uploads(settings: Settings) -> None:
    """See that an upload that is whole can appear among the files in one step.

    Raises:
        ConfigurationError: the two folders lie on file systems of their own.
    """
    # Comparing devices would not do: two mounts of one file system are two as well.
    descriptor, name = tempfile.mkstemp(prefix="probe-", dir=settings.fasttask_files_dir)
    os.close(descriptor)
    probe = Path(name)
    try:
        probe = probe.replace(settings.files_dir / probe.name)
    except OSError as error:
        raise ConfigurationError(
            [f"FASTTASK_FILES_DIR={settings.fasttask_files_dir}: no upload could be moved from "
             f"there to FILES_DIR={settings.files_dir} ({error.strerror}); choose a folder on the "
             "same file system, or set API_FILE_UPLOAD=False"]
        ) from None  # fmt: skip
    finally:
        probe.unlink()


def is_own(settings: Settings, folder: Path) -> bool:
    """Whether nobody else keeps anything there: it is below FASTTASK_FILES_DIR, empty or missing.

    Raises:
        OSError: the folder cannot be looked into.
    """
    if settings.fasttask_files_dir in folder.parents:
        return True
    return not folder.exists() or not any(folder.iterdir())


def _make(settings: Settings, name: str, folder: Path) -> None:
    own = is_own(settings, folder)
    if name == "ssl_cert_dir" and not own:
        return  # only to be read: deploy/certificate.py sees to that
    folder.mkdir(PRIVATE_MODE if name in PRIVATE else 0o777, parents=True, exist_ok=True)
    if name in PRIVATE and own:
        _close(folder)
    # Looking at the mode would not do: a read-only file system has good ones. Nor would an empty
    # file: a full one still has room for that.
    with tempfile.TemporaryFile(dir=folder) as probe:
        probe.write(bytes(PROBE_BYTES))
        probe.flush()


def _close(folder: Path) -> None:
    if stat.S_IMODE(folder.stat().st_mode) != PRIVATE_MODE:
        folder.chmod(PRIVATE_MODE)


def _sentence(settings: Settings, name: str, folder: Path, error: OSError) -> str:
    setting = f"{name.upper()}={folder}"
    if error.errno in FULL:
        return f"{setting}: {error.strerror}; make room there, or choose another folder"
    others = name == "ssl_cert_dir" and settings.fasttask_files_dir not in folder.parents
    if not isinstance(error, PermissionError) or others:
        return f"{setting}: {error.strerror}; choose another folder"
    owner, place = f"{os.geteuid()}:{os.getegid()}", shlex.quote(str(folder))
    return (
        f"{setting}: user id {os.geteuid()} may not write there; "
        f"run: sudo mkdir -p {place} && sudo chown -R {owner} {place}"
    )
