"""A worker's network of its own, as bad as tc netem makes it; needs root and iproute2."""

import functools
import ipaddress
import itertools
import os
import shutil
import subprocess
from types import TracebackType
from typing import Self

NETWORK = ipaddress.IPv4Address("10.213.0.0")  # and the 16,384 links of four addresses in it

_numbers = itertools.count(1)


class Namespace:
    """A network namespace whose only link leads to this machine; gone at the end."""

    def __init__(self) -> None:
        number = next(_numbers)
        self._name = f"ftchaos-{os.getpid()}-{number}"
        # The name of an interface has 15 characters at most.
        self._here, self._there = f"ftc{os.getpid()}h{number}", f"ftc{os.getpid()}t{number}"
        # Tests run side by side in processes whose ids are neighbours: each has eight links.
        link = NETWORK + 4 * ((8 * os.getpid() + number % 8) % 2**14)
        self.host = str(link + 1)  #: this machine as seen from inside
        self._inside = str(link + 2)

    def __enter__(self) -> Self:
        _run("ip", "netns", "add", self._name)
        try:
            _run("ip", "link", "add", self._here, "type", "veth",
                 "peer", "name", self._there, "netns", self._name)  # fmt: skip
            _run("ip", "address", "add", f"{self.host}/30", "dev", self._here)
            _run("ip", "link", "set", self._here, "up")
            _run(*self.prefix, "ip", "address", "add", f"{self._inside}/30", "dev", self._there)
            _run(*self.prefix, "ip", "link", "set", self._there, "up")
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._remove()

    @property
    def prefix(self) -> tuple[str, ...]:
        """What to put before a command so that it runs inside."""
        return "ip", "netns", "exec", self._name

    def worsen(self, *netem: str) -> None:
        """Make both directions of the link as bad as these arguments of tc-netem(8) say."""
        _run("tc", "qdisc", "add", "dev", self._here, "root", "netem", *netem)
        _run(*self.prefix, "tc", "qdisc", "add", "dev", self._there, "root", "netem", *netem)

    def _remove(self) -> None:
        subprocess.run(["ip", "netns", "delete", self._name], check=False)  # and the link with it


@functools.cache
def has_namespaces() -> bool:
    """Whether a namespace with a link can be made here."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    try:
        with Namespace():
            return True
    except subprocess.CalledProcessError:
        return False


@functools.cache
def has_netem() -> bool:
    """Whether the link of a namespace can be made worse here: not every kernel has netem."""
    if not has_namespaces() or shutil.which("tc") is None:
        return False
    try:
        with Namespace() as namespace:
            namespace.worsen("delay", "1ms")
            return True
    except subprocess.CalledProcessError:
        return False


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
