"""The Lua scripts: each change of a job's state is one of them, so it happens wholly or not at all.

The head of each file says its arguments, its answer and what it means; what they have in common is
in `common`, a file an idea. A script runs alone on the queue server and asks it for the time, so
neither races nor the clocks of hosts matter.

All of them together are one library of functions, which the server keeps: a script that is sent by
its digest would make everything in `common` anew at each call, and take twice as long.
See https://valkey.io/topics/functions-intro/.
"""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from workers.queue import keys, owners
from workers.queue.connection import LARGE_BYTES

FOLDER = Path(__file__).parent
COMMON = tuple(
    FOLDER / "common" / f"{part}.lua"
    for part in (
        "calls", "job", "counting", "waking", "places", "beginning", "looking", "ending", "letters",
        "closing",
    )
)  # fmt: skip

# What a script is allowed when the server is short of something; see
# https://valkey.io/topics/eval-intro/#eval-flags.
READS = "no-writes"  # it goes on when the server takes no writes
# It runs at the memory limit: only then does a worker that is alive keep its jobs and hand in their
# results.
WITHOUT_LIMIT = "allow-oom"


@dataclass(frozen=True, slots=True)
class Script:
    """One of them."""

    name: str  #: of its file
    flag: str = ""
    one_takes: int = 0  #: arguments of one call, if many calls may go in one; see for_each

    @property
    def function(self) -> bytes:
        """By what name the server is to run it."""
        return f"{LIBRARY_NAME}_{self.name}".encode()

    @property
    def words(self) -> tuple[str | bytes | int, ...]:
        """How the command begins that runs it; its arguments follow."""
        return "FCALL", self.function, 0


@dataclass(frozen=True, slots=True)
class Plain:
    """A command of the server itself, which does without a script's overhead."""

    name: str
    one_takes: int = 0  #: arguments of one call, if many calls may go in one

    @property
    def words(self) -> tuple[str]:
        """How the command begins."""
        return (self.name,)


ANNOUNCE = Script("announce", WITHOUT_LIMIT)
CLAIM = Script("claim", WITHOUT_LIMIT)
CREATE = Script("create", one_takes=12)
DEAD_LETTERS = Script("dead_letters", READS)
FINISH = Script("finish", WITHOUT_LIMIT, one_takes=8)
LISTEN = Script("listen", WITHOUT_LIMIT, one_takes=2)
READ = Script("read", READS, one_takes=1)
RECOVER = Script("recover", WITHOUT_LIMIT)
RELEASE = Script("release", WITHOUT_LIMIT)
RENEW = Script("renew", WITHOUT_LIMIT)
REPLAY = Script("replay")
REVOKE = Script("revoke", WITHOUT_LIMIT)
STATISTICS = Script("statistics", READS)

GET = Plain("MGET", one_takes=1)
COMING_WORK = Plain("BLPOP")

ALL = (
    ANNOUNCE, CLAIM, CREATE, DEAD_LETTERS, FINISH, LISTEN, READ, RECOVER, RELEASE, RENEW, REPLAY,
    REVOKE, STATISTICS,
)  # fmt: skip


def _offered(script: Script) -> str:
    """A script as a function of the library. It finds its arguments in ARGV, as scripts do."""
    body = (FOLDER / f"{script.name}.lua").read_text()
    flags = f"'{script.flag}'" if script.flag else ""
    return (
        f"local function call_{script.name}(ARGV)\n{body}\nend\n"
        f"redis.register_function{{function_name = NAME .. '_{script.name}', flags = {{{flags}}},\n"
        f"  callback = function(_, ARGV) begin() return call_{script.name}(ARGV) end}}\n"
    )


def _library() -> str:
    common = "\n".join(path.read_text() for path in COMMON)
    constants = f"{keys.lua_constants()}{owners.lua_constants()}local LARGE = {LARGE_BYTES}\n"
    return constants + common + "".join(map(_offered, ALL))


_SOURCE = _library()
# A name for each version: nodes of two versions may work side by side while one replaces the other.
LIBRARY_NAME = f"fasttask_{sha256(_SOURCE.encode()).hexdigest()[:16]}"
LIBRARY = f"#!lua name={LIBRARY_NAME}\nlocal NAME = '{LIBRARY_NAME}'\n{_SOURCE}"
