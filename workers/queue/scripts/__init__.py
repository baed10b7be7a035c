"""The Lua scripts: each change of a job's state is one of them, so it happens wholly or not at all.

The head of each file says its arguments, its answer and what it means; `shared.lua` holds what
they have in common, `letters.lua` what concerns dead letters. A script runs alone on the queue
server and asks it for the time, so neither races nor the clocks of hosts matter.
"""

from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path

from workers.queue import keys, owners

FOLDER = Path(__file__).parent
LETTERS = "letters"


@dataclass(frozen=True, slots=True)
class Script:
    """A script's source as it is loaded, and the SHA-1 by which the server knows it."""

    name: str
    source: str
    sha: str
    one_takes: int = 0  #: arguments of one call, if many calls may go in one; see for_each


# Runs on a server that is at its memory limit: only then does a worker that is alive keep its jobs
# and hand in their results. See https://valkey.io/topics/eval-intro/#eval-flags.
WITHOUT_LIMIT = "#!lua flags=allow-oom\n"


def _load(name: str, *needed: str, head: str = "", one_takes: int = 0) -> Script:
    # What stands in front of a script runs at each call, so each gets only what it needs.
    parts = [(FOLDER / f"{part}.lua").read_text() for part in ("shared", *needed, name)]
    source = head + keys.lua_constants() + owners.lua_constants() + "\n".join(parts)
    # SHA-1 is what Redis calls its scripts by: https://valkey.io/commands/evalsha/
    sha = sha1(source.encode(), usedforsecurity=False).hexdigest()
    return Script(name, source, sha, one_takes)


ANNOUNCE = _load("announce", head=WITHOUT_LIMIT)
CLAIM = _load("claim", LETTERS, head=WITHOUT_LIMIT)
CREATE = _load("create", one_takes=12)
DEAD_LETTERS = _load("dead_letters", LETTERS)
FINISH = _load("finish", LETTERS, head=WITHOUT_LIMIT, one_takes=8)
READ = _load("read", one_takes=2)
RECOVER = _load("recover", head=WITHOUT_LIMIT)
RELEASE = _load("release", LETTERS, head=WITHOUT_LIMIT)
RENEW = _load("renew", head=WITHOUT_LIMIT)
REPLAY = _load("replay", LETTERS)
REVOKE = _load("revoke", head=WITHOUT_LIMIT)
STATISTICS = _load("statistics")

ALL = (
    ANNOUNCE, CLAIM, CREATE, DEAD_LETTERS, FINISH, READ, RECOVER, RELEASE, RENEW, REPLAY, REVOKE,
    STATISTICS,
)  # fmt: skip
