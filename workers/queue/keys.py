"""Every name used on the queue server, with its type, meaning, unit and lifetime.

Names that begin with ``arq:`` are arq's own and keep arq's formats, so that its standard client
reads them. Names that begin with ``ft:`` are ours. The scripts get the same names: see
:func:`lua_constants`. All times are milliseconds since 1970 by the queue server's clock.
"As long as the job" means: until it has ended, and then until its result expires.
"""

import json
from hashlib import sha256

QUEUE = "arq:queue:"  #: + task. zset id -> when to run it; while it runs: when its lease ends
JOB = "arq:job:"  #: + id. string, arq's job as JSON, "v" true if Params were checked; 30 days
RESULT = "arq:result:"  #: + id. string, arq's result as JSON and our fields; RESULT_EXPIRES
IN_PROGRESS = "arq:in-progress:"  #: + id. string, the running attempt's token; as long as its lease
ABORT = "arq:abort"  #: zset id -> when an arq client asked to abort it; until the end

META = "ft:meta:"  #: + id. string, what is known of an unfinished job as JSON; see job.lua
IDEMPOTENCY = (
    "ft:idempotency:"  #: + idempotency(). string, body's digest and id; as long as the job
)
DEAD = "ft:dead"  #: zset id -> when it ended so; at most 10,000. Goes 30 days after the last one
DEAD_LETTER = "ft:dead:"  #: + id. hash, a job that cannot be run, see letters.lua; 30 days
WAKE = "ft:wake:"  #: + task. list of at most one token: "there is work"; idle workers block on it
HOLDERS = (
    "ft:holders:"  #: + task:key. zset id -> when its place in the concurrency key is free again;
    # as long as somebody holds or awaits one, 30 days at most
)
PARKED = "ft:parked:"  #: + task:key. zset id -> when it was created; waits for a place
WAITING = "ft:waiting:"  #: + owner. list of ids, his jobs that waited when last looked at; 60 days
# These four name everybody's counters; one owner's end as owners.py says.
TOTALS = "ft:totals"  #: hash task:STATE -> jobs. Final states ever, STARTED and RETRY now
SNAPSHOT = "ft:totals:"  #: + period:slot. hash, TOTALS when that slot of `period` seconds began
SNAPSHOTS = "ft:snapshots:"  #: + period. zset slot -> slot: which snapshots there are
SLOTS = "ft:slots"  #: hash period -> the last slot that has a snapshot
WORKERS = "ft:workers"  #: zset worker -> when its presence ends unless renewed
WORKER = "ft:worker:"  #: + worker. string, its presence as JSON; three heartbeats
RUNNING_ID = "ft:running-id"  #: string, RUNNING_ID of the cluster; for ever

CANCEL = "ft:cancel:"  #: + worker. channel: the id of a job to kill
DONE = "ft:done:"  #: + gateway. channel: results of jobs that ended, or their ids; see waking.lua


def queue(task: str) -> str:
    """The queue of a task."""
    return QUEUE + task


def wake(task: str) -> str:
    """The list that idle workers of a task block on."""
    return WAKE + task


def worker(name: str) -> str:
    """The presence of a worker."""
    return WORKER + name


def cancel(worker_name: str) -> str:
    """The channel on which a worker hears of revoked jobs."""
    return CANCEL + worker_name


def done(gateway: str) -> str:
    """The channel on which a gateway process hears of jobs that ended."""
    return DONE + gateway


def idempotency(user: str, task: str, key: str) -> str:
    """The name of a client's key, below IDEMPOTENCY: hex SHA-256. No two triples share one."""
    return sha256(json.dumps([user, task, key]).encode()).hexdigest()


def lua_constants() -> str:
    """The names above as Lua locals, put in front of every script."""
    names = {k: v for k, v in globals().items() if k.isupper() and isinstance(v, str)}
    return "".join(f"local {name} = '{value}'\n" for name, value in names.items())
