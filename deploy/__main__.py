"""``python -m deploy COMMAND``: what can be done with the node of this FILES_DIR; see --help."""

import argparse
import sys
from typing import Any

from config.errors import ConfigurationError
from config.settings import Settings, load_places, load_settings
from deploy.account_commands import hash_passwords, remove_user, set_user
from deploy.dead_letters import dead_letters
from deploy.health import ailment
from deploy.logs import follow
from deploy.run import run
from deploy.start import up
from deploy.status import status
from deploy.stop import down
from deploy.terminal import say
from deploy.token_commands import list_tokens, make_token, revoke_token

READY_SECONDS = 60.0
SHOWN_LETTERS = 100
CARE = ("down", "status", "logs")


def main() -> int:
    """Do what the command line says; the exit status."""
    arguments = _parser().parse_args()
    try:
        return _look_after(arguments) if arguments.command in CARE else _work_with(arguments)
    except ConfigurationError as error:
        say(*error.lines)
        return 1
    except KeyboardInterrupt:
        return 130


def _look_after(arguments: argparse.Namespace) -> int:
    """What has to be possible with a running node however wrong its settings are by now."""
    places = load_places()
    match arguments.command:
        case "down":
            return down(places)
        case "status":
            return status(places)
        case _:
            return follow(places)


def _work_with(arguments: argparse.Namespace) -> int:
    settings = load_settings()
    match arguments.command:
        case "up":
            return up(settings, arguments.timeout)
        case "run":
            return run(settings)
        case "dead-letters":
            return dead_letters(settings, arguments.limit, arguments.replay)
        case "user":
            if arguments.remove:
                return remove_user(settings, arguments.name)
            return set_user(settings, arguments.name, arguments.tasks, arguments.admin)
        case "token":
            return make_token(settings, arguments.user, arguments.days)
        case "tokens":
            return list_tokens(settings, arguments.user)
        case "token-revoke":
            return revoke_token(settings, arguments.id)
        case "passwords-hash":
            return hash_passwords(settings)
        case _:
            return health(settings)


def health(settings: Settings) -> int:
    """Say whether the node is healthy; the exit status."""
    reason = ailment(settings)
    say(reason or "healthy")
    return 1 if reason else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("up", help="start the node in the background and show it works")
    start.add_argument(
        "--timeout", type=float, default=READY_SECONDS, help="seconds until it has to be ready"
    )
    commands.add_parser("run", help="be the node, in the foreground")
    commands.add_parser("down", help="stop the node gracefully")
    commands.add_parser("status", help="show the node's processes; exit status 3 if there are none")
    commands.add_parser("logs", help="follow the node's logs")
    commands.add_parser("health", help="exit status 0 if the node does its work")
    letters = commands.add_parser("dead-letters", help="show the jobs that could not be run")
    letters.add_argument("--limit", type=int, default=SHOWN_LETTERS, help="how many at most")
    letters.add_argument("--replay", metavar="ID", help="run this one again, as a new job")
    _add_account_commands(commands)
    return parser


def _add_account_commands(commands: Any) -> None:
    user = commands.add_parser(
        "user", help="make, change or remove a user; a password is asked for"
    )
    user.add_argument("name")
    user.add_argument("--tasks", default="", help="patterns with commas between; default: all")
    user.add_argument("--admin", action="store_true", help="sees what belongs to all users")
    user.add_argument("--remove", action="store_true", help="remove him, and his tokens")
    token = commands.add_parser("token", help="make an API token of a user and show it, once")
    token.add_argument("user")
    token.add_argument("--days", default="", help="how long it lets in; default: for ever")
    tokens = commands.add_parser("tokens", help="list the API tokens, without what is secret")
    tokens.add_argument("user", nargs="?", default="", help="whose; default: everybody's")
    revoke = commands.add_parser("token-revoke", help="take an API token back")
    revoke.add_argument("id", help="as `tokens` lists it")
    commands.add_parser("passwords-hash", help="hash the plain passwords of the users file")


if __name__ == "__main__":
    sys.exit(main())
