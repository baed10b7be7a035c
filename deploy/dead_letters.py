"""The jobs that could not be run, as the API tells of them: shown, and run again."""

import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from config.settings import Settings
from deploy.columns import in_columns
from deploy.gateway import Answer, Gateway, GatewayError
from deploy.terminal import say

PATH = "/dead_letters"
LONGEST_REASON = 200  # characters of a row
HEAD = ("id", "task", "when", "attempts", "reason")


class LettersRefused(Exception):
    """The API answered something else than what was asked for; the message says what."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter as the API tells of it."""

    id: str
    task: str
    died_at: str
    attempts: int
    reason: str

    @property
    def row(self) -> tuple[str, ...]:
        """Its cells in the table; of the reason the last line, which says what it was."""
        last_line = self.reason.strip().rpartition("\n")[2]
        return self.id, self.task, self.died_at, str(self.attempts), last_line[:LONGEST_REASON]


def dead_letters(settings: Settings, limit: int, replayed: str | None) -> int:
    """Show the latest dead letters, or run the one called ``replayed``; the exit status."""
    if not settings.has_api:
        say("this node has no API; use this command on the master")
        return 1
    gateway = Gateway(settings)
    try:
        say(*(_replay(gateway, replayed) if replayed else _show(gateway, limit)))
    except (GatewayError, LettersRefused) as error:
        say(str(error))
        return 1
    return 0


def table(letters: Sequence[Letter]) -> list[str]:
    """The letters in columns."""
    return in_columns(HEAD, (letter.row for letter in letters))


def _show(gateway: Gateway, limit: int) -> list[str]:
    body = _body(gateway.get(f"{PATH}?{urllib.parse.urlencode({'limit': limit})}"))
    try:
        letters = [_letter(record) for record in body["dead_letters"]]
        total = int(body["total"])
    except (KeyError, TypeError, ValueError):
        raise LettersRefused(f"no dead letters: {body}") from None
    if not letters:
        return ["there are no dead letters"]
    left_out = total - len(letters)
    return [*table(letters), *([f"and {left_out} earlier ones"] if left_out > 0 else [])]


def _replay(gateway: Gateway, letter_id: str) -> list[str]:
    body = _body(gateway.post(f"{PATH}/replay", {"result_id": letter_id}))
    try:
        return [f"{letter_id} runs again, as the new job {body['id']}"]
    except (KeyError, TypeError):
        raise LettersRefused(f"no job record: {body}") from None


def _body(answer: Answer) -> Any:
    if answer.status != 200:
        raise LettersRefused(str(answer))
    try:
        return answer.json()
    except ValueError:
        raise LettersRefused(f"no JSON: {answer}") from None


def _letter(record: dict[str, Any]) -> Letter:
    return Letter(
        record["id"], record["task"], record["died_at"], record["attempts"], record["reason"]
    )
