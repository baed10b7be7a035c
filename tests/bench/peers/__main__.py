"""Talk to a peer in its own environment: ``python -m tests.bench.peers NAME COMMAND``.

``describe`` prints its record. ``enqueue COUNT`` queues as many no-op jobs in the peer's own way
and prints their ids. ``read`` takes ids from standard input and prints the results of those jobs.
All of it as JSON.
"""

import dataclasses
import importlib
import json
import sys


def main() -> None:
    """Do what the arguments say."""
    name, command, *arguments = sys.argv[1:]
    module = importlib.import_module(f"tests.bench.peers.{name}")
    match command:
        case "describe":
            answer = dataclasses.asdict(module.PEER)
        case "enqueue":
            answer = module.enqueue(int(arguments[0]))
        case "read":
            answer = module.read(json.load(sys.stdin))
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
