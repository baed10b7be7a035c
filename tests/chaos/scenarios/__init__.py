"""The scenarios, a file a family; importing this enters them all into the catalogue."""

from tests.chaos.scenarios import (  # noqa: F401
    bad_links,
    clocks,
    crashing_tasks,
    gateway,
    lost_workers,
    queue_server,
    races,
    revokes,
    strangers,
)
