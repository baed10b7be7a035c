"""Ports for servers that have to be told one."""

import contextlib
import socket
from collections.abc import Iterator


@contextlib.contextmanager
def kept_port() -> Iterator[int]:
    """A port that the kernel gives to nobody else, so that a server may begin to listen there.

    One that was only seen to be free may be that of another test by then. The socket that keeps it
    does not listen, and so is in the way of no server that sets SO_REUSEADDR; all of ours do.
    """
    with socket.socket() as keeper:
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        keeper.bind(("", 0))
        yield keeper.getsockname()[1]
