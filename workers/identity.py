"""The name of a worker: the same at every start, so that it can take its own lost jobs back."""

import fcntl
import secrets
import socket
from pathlib import Path

from config.errors import ConfigurationError
from config.settings import Settings


def worker_name(settings: Settings) -> str:
    """``WORKER_TAG@host-node``, where node is an id made once and kept in CONF_DIR."""
    return f"{settings.worker_tag}@{socket.gethostname()}-{_node_id(settings.conf_dir)}"


def claim_identity(settings: Settings) -> object:
    """Be the only worker of this FILES_DIR for as long as the returned object is kept.

    The name is made anew if it is another folder's, of which this one is a copy.

    Raises:
        ConfigurationError: another worker runs on the same FILES_DIR.
    """
    settings.conf_dir.mkdir(parents=True, exist_ok=True)
    lock = (settings.conf_dir / "worker.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        text = f"another worker runs on FILES_DIR={settings.files_dir}; give this one its own"
        raise ConfigurationError([text]) from None
    _forget_if_copied(settings.conf_dir)
    return lock


def _node_id(conf_dir: Path) -> str:
    path = conf_dir / "node_id"
    if not path.exists() or not path.read_text().strip():  # a full disk leaves an empty one
        path.write_text(secrets.token_hex(4))
    return path.read_text().strip()


def _forget_if_copied(conf_dir: Path) -> None:
    """Remove an id that was made for another folder: two workers of one name lose their jobs."""
    kept = conf_dir / "node_id_of"
    here = f"{conf_dir.resolve()} {conf_dir.stat().st_ino}"
    if kept.exists() and kept.read_text() == here:
        return
    if kept.exists():
        (conf_dir / "node_id").unlink(missing_ok=True)
    kept.write_text(here)
