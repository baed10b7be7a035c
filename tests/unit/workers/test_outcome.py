"""Outcomes: any text becomes JSON of bounded size."""

import orjson
import pytest

from workers.outcome import LONGEST_TEXT, Ending, StopReason, outcome_of_text


@pytest.mark.parametrize(
    "text", ["", "plain", "ünï", "\ud800 half a pair", "\0", "x" * LONGEST_TEXT]
)
def test_a_text_survives_as_far_as_it_is_text(text: str) -> None:
    outcome = outcome_of_text(Ending.FAILURE, text)

    assert outcome.text == text.encode("utf-8", "replace").decode()
    assert orjson.loads(outcome.result) == outcome.text


def test_a_long_text_keeps_its_beginning_and_its_end() -> None:
    text = outcome_of_text(Ending.FAILURE, "begin" + "x" * 2 * LONGEST_TEXT + "end").text

    assert text.startswith("begin")
    assert text.endswith("end")
    assert f"... {LONGEST_TEXT + 8} characters left out ..." in text
    assert len(text) < LONGEST_TEXT + 100


def test_an_outcome_knows_why_it_was_killed() -> None:
    assert outcome_of_text(Ending.KILLED, "", StopReason.REVOKED).reason is StopReason.REVOKED
