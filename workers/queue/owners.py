"""Whose jobs are counted, besides with everybody's; see scripts/common/counting.lua.

Jobs of NOBODY are not counted apart.
"""

from config.nobody import NOBODY

#: + owner. Ends the names TOTALS, SNAPSHOT, SNAPSHOTS and SLOTS of keys.py for the counters of his
#: jobs, where PENDING is a gauge as well. They go 60 days after the last was made or ended.
OWNED = "@"


def lua_constants() -> str:
    """The same for the scripts."""
    return f"local NOBODY = '{NOBODY}'\nlocal OWNED = '{OWNED}'\n"
