"""Hosts as the settings name them: IPv4 or IPv6 addresses, or names."""

import ipaddress
import socket
from typing import Any

EVERY_IPV6 = "::"  # and every IPv4 address with it


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket at this address of this machine; of a name with several, IPv4 is preferred.

    Raises:
        OSError: there is no such host, it is another machine, or the port is in use.
    """
    family, address = _address(host, port)
    bound = socket.socket(family)
    try:
        # What a former node's connections leave behind would be in the way.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != EVERY_IPV6)
        bound.bind(address)
    except BaseException:
        bound.close()
        raise
    return bound


def is_ipv6(host: str) -> bool:
    """Whether :func:`bound_socket` takes IPv6; False for a name that nobody knows."""
    try:
        return _address(host, 0)[0] == socket.AF_INET6
    except OSError:
        return False


def in_url(host: str) -> str:
    """A host as URLs spell it."""
    return f"[{host}]" if ":" in host else host


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there, as far as the spelling tells."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _address(host: str, port: int) -> tuple[int, Any]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
    return family, address
