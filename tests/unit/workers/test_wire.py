"""Commands as they go over the wire."""

import pytest

from workers.queue.wire import command, packed


def test_a_command_has_the_form_of_the_protocol() -> None:
    assert command([packed("SET", b"", b"a\r\n\xff"), packed(12, "é")]) == (
        b"*5\r\n$3\r\nSET\r\n$0\r\n\r\n$4\r\na\r\n\xff\r\n$2\r\n12\r\n$2\r\n\xc3\xa9\r\n"
    )


def test_a_text_that_cannot_be_sent_is_refused_alone() -> None:
    with pytest.raises(UnicodeEncodeError):
        packed("half of a pair: \ud800")
