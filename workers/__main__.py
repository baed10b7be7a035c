"""Start the worker of this node: ``python -m workers``, or look for it: ``--check``."""

import argparse
import asyncio
import logging
import sys

import uvloop

from config.errors import ConfigurationError
from config.logs import configure_logging, event
from config.parent import die_with_parent
from config.settings import Settings, load_settings, supervisor_pid
from workers.fork_client import ForkServerError
from workers.identity import claim_identity, worker_name
from workers.making_way import make_way
from workers.queue import keys
from workers.queue.connection import connect
from workers.worker import StuckError, Worker

log = logging.getLogger("fasttask.worker")


def main() -> int:
    """The exit status: 0 after a clean stop, 1 if the worker is not seen, stuck or cannot start."""
    parser = argparse.ArgumentParser(prog="python -m workers", description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit with 0 if the worker is seen")
    arguments = parser.parse_args()
    configure_logging(debug=False)  # until the settings tell: they may be what is wrong
    try:
        settings = load_settings()
        configure_logging(debug=settings.debug)
        return asyncio.run(_check(settings)) if arguments.check else _work(settings)
    except (ConfigurationError, ForkServerError) as error:
        for line in str(error).splitlines():
            event(log, logging.ERROR, "cannot_start", why=line)
        return 1


def _work(settings: Settings) -> int:
    die_with_parent(parent=supervisor_pid())
    make_way()
    identity = claim_identity(settings)
    asyncio.set_event_loop(uvloop.new_event_loop())
    try:
        Worker(settings).run()
    except StuckError as error:
        event(log, logging.ERROR, "worker_stuck", why=error)
        return 1
    finally:
        del identity
    return 0


async def _check(settings: Settings) -> int:
    """Whether the queue server has heard of this node's worker lately."""
    redis = connect(settings)
    try:
        return 0 if await redis.exists(keys.worker(worker_name(settings))) else 1
    except Exception as error:
        event(log, logging.ERROR, "check_failed", why=error)
        return 1
    finally:
        await redis.aclose()


if __name__ == "__main__":
    sys.exit(main())
