"""How many values a JSON text holds, told before it is parsed: parsing keeps everybody waiting.

A parser takes as long for a million names as for a hundred million letters, and meanwhile the event
loop answers nobody. Another thread would not help: parsers hold the interpreter's lock.
"""

import json

OPENING = (b",", b"[", b"{")  # in front of every value, or of the empty space in a list or object


def refuse_more_values(body: bytes, most: int) -> None:
    """Raises json.JSONDecodeError if a JSON text holds more values than that.

    A value takes two bytes or more, so that small bodies are not looked at.
    """
    if len(body) <= most or _openings(body) <= most:  # those within texts count as well
        return
    plain = _without_escapes(body)
    # Of two texts one at least is a value; so many are not even taken apart.
    if plain.count(b'"') > 4 * (most + 1) or _openings(_without_texts(plain)) > most:
        raise json.JSONDecodeError(f"more than {most} values, see MAX_PARAMS_VALUES", "", 0)


def outline(body: bytes) -> bytes:
    """A JSON text with all texts in it left empty."""
    return _without_texts(_without_escapes(body))


def _openings(body: bytes) -> int:
    return sum(map(body.count, OPENING))


def _without_escapes(body: bytes) -> bytes:
    return body.replace(rb"\\", b"").replace(rb"\"", b"")


def _without_texts(plain: bytes) -> bytes:
    return b'""'.join(plain.split(b'"')[::2])
