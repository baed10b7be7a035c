"""Jobs of the task `hold`, which run until they are let go, and the processes that ran them."""

from pathlib import Path

import orjson

from tests.waiting import eventually


class Held:
    """A job of the task `hold`, and the record that its attempts keep outside the queue."""

    def __init__(self, folder: Path, job_id: str) -> None:
        self.id = job_id
        self.record = folder / job_id

    @property
    def params(self) -> bytes:
        """What to create it with, as JSON."""
        return orjson.dumps({"record": str(self.record)})

    @property
    def attempts(self) -> list[int]:
        """The process ids of all attempts that began."""
        return pids_in(self.record) if self.record.exists() else []

    async def begun(self, attempts: int = 1, within: float = 10.0) -> None:
        """Wait until so many attempts have begun."""
        await eventually(lambda: len(self.attempts) >= attempts, within)

    def let_go(self) -> None:
        """Have all attempts return, also later ones."""
        let_go(self.record)


def let_go(*records: Path) -> None:
    """Have the attempts return that keep these records, also later ones."""
    for record in records:
        Path(f"{record}.go").touch()


def pids_in(path: Path) -> list[int]:
    """The process ids that a task has written down."""
    return [int(pid) for pid in path.read_text().split()]
