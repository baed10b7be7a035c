"""Commands as they go over the wire."""

from workers.queue.wire import packed


def test_a_command_has_the_form_of_the_protocol() -> None:
    command = packed((b"SET", b"", b"a\r\n\xff"))
    assert command == b"*3\r\n$3\r\nSET\r\n$0\r\n\r\n$4\r\na\r\n\xff\r\n"
