"""The table of dead letters."""

from collections.abc import Callable

import pytest

from config.settings import Settings
from deploy.dead_letters import Letter, dead_letters, table


def letter(**fields: object) -> Letter:
    given = {"id": "x-1", "task": "add", "died_at": "2026-01-02T03:04:05.678Z", "attempts": 3}
    return Letter(**{**given, "reason": "why", **fields})  # type: ignore[arg-type]


def test_columns_are_as_wide_as_they_need_to_be() -> None:
    assert table([letter(), letter(id="x-1000", task="a", attempts=12)]) == [
        "id      task  when                      attempts  reason",
        "x-1     add   2026-01-02T03:04:05.678Z  3         why",
        "x-1000  a     2026-01-02T03:04:05.678Z  12        why",
    ]


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("a\nb\nc", "c"),
        ("a\nlast\n\n", "last"),
        ("", ""),
        ("x" * 999, "x" * 200),
    ],
)
def test_of_a_reason_the_last_line_is_shown(reason: str, shown: str) -> None:
    assert letter(reason=reason).row[-1] == shown


def test_a_worker_refers_to_its_master(
    node: Callable[..., Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    settings = node(
        node_type="distributed_worker", master_host="m", task_queue_port=1, task_queue_passwd="p"
    )

    assert dead_letters(settings, 10, None) == 1
    assert "master" in capsys.readouterr().out


def test_before_the_first_start_it_is_said_that_there_was_none(
    node: Callable[..., Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    settings = node()
    assert dead_letters(settings, 1, None) == 1
    said = capsys.readouterr().out
    assert f"there is no {settings.ssl_certfile} yet" in said
    assert "make up" in said
