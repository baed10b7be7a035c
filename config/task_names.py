"""Which names in a tasks folder are tasks: found by looking, without running anything."""

import re
from pathlib import Path

# A task's name is a Python identifier and part of a URL and of queue-server keys.
NAME_PATTERN = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def task_names_in(tasks_dir: Path) -> tuple[str, ...]:
    """The names of all task files in ``tasks_dir``, sorted.

    Every ``NAME.py`` is a task, unless its name begins with an underscore.
    """
    return tuple(sorted(p.stem for p in tasks_dir.glob("*.py") if not p.name.startswith("_")))
