"""Whether this machine has IPv6: not every container does."""

import socket

import pytest


def has_ipv6() -> bool:
    """Whether something can listen on IPv6's loopback."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="no IPv6 on this machine")
