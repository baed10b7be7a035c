"""Whose an uploaded file is: a small record beside the files, which outlives every process.

A file without a record was made by a task, or when there were no users: it is everybody's. The
records of files that are gone are removed when old files are, see config/expiry.py.
"""

from pathlib import Path


class FileOwners:
    """The records, each named as the file that it is about."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def record(self, stored: str, owner: str) -> None:
        """Note whose the upload called ``stored`` will be; before it can be found by anybody.

        Raises:
            OSError: the record cannot be written.
        """
        self._folder.mkdir(mode=0o700, exist_ok=True)
        (self._folder / stored).write_text(owner, encoding="utf-8")

    def owner_of(self, stored: str) -> str | None:
        """Whose an upload is; None if it is everybody's, nobody's name if that cannot be told."""
        try:
            return (self._folder / stored).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            return ""
