"""Whether a worker of many tasks is slower than one of a single task."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench import environment
from tests.bench.node import running_node
from tests.bench.own_backlog import drained_by

MANY = 200


async def drained(tasks: int, jobs: int) -> float:
    """Jobs a second that a node of so many tasks drains from a backlog spread over all of them."""
    with _folder(tasks) as folder, running_node(folder) as node:
        return await drained_by(node, [_name(number) for number in range(tasks)], jobs)


@contextmanager
def _folder(tasks: int) -> Iterator[Path]:
    """A folder of no-op tasks."""
    text = (environment.TASKS / "noop.py").read_text()
    with tempfile.TemporaryDirectory(prefix="ft-bench-tasks-") as folder:
        for number in range(tasks):
            path = Path(folder) / f"{_name(number)}.py"
            path.write_text(text.replace("def noop(", f"def {_name(number)}("))
        yield Path(folder)


def _name(number: int) -> str:
    return f"noop_{number:03d}"
