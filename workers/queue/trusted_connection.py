"""A connection to the queue server over TLS, which shows the password to no other server.

A certificate is trusted because TASK_QUEUE_CA vouches for it or because it is the very one of
TASK_QUEUE_FINGERPRINT; if both are given, both have to hold. redis-py knows no fingerprints, so
they are compared here, right after the handshake: by then the server has proved that it holds the
certificate's key, and nothing has been sent to it yet.
"""

import asyncio
import contextlib
import hashlib
import hmac
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.asyncio.connection import Connection
from redis.exceptions import ConnectionError as RedisConnectionError


class UntrustedServerError(RedisConnectionError):
    """Who answers is not the queue server that is meant; the message says how that shows."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Which server is the right one."""

    context: ssl.SSLContext
    fingerprint: str | None  #: SHA-256 of the server's certificate in hexadecimal, lower case


def trust(authorities: Path | None, fingerprint: str | None) -> Trust:
    """Trust in the certificates of a PEM file, in a fingerprint, or in what both agree on."""
    return Trust(_vouched_by(authorities) if authorities else _any_certificate(), fingerprint)


class TrustedConnection(Connection):
    """One connection; a server that is not to be trusted is left before anything is sent."""

    def __init__(self, *, trust: Trust, **of_redis: Any) -> None:
        super().__init__(**of_redis)
        self._trust = trust

    def _connection_arguments(self) -> Mapping[str, Any]:
        return {**super()._connection_arguments(), "ssl": self._trust.context}

    async def _connect(self) -> None:
        try:
            await super()._connect()  # type: ignore[no-untyped-call]
        except ssl.SSLError as error:
            raise UntrustedServerError(f"{self._name()} {_reason(error)}") from None
        if self._trust.fingerprint is not None:
            await self._compare(self._trust.fingerprint)

    async def _compare(self, expected: str) -> None:
        shown = fingerprint_of(self._certificate())
        if hmac.compare_digest(shown, expected):
            return
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            await self.disconnect(nowait=True)
        raise UntrustedServerError(
            f"{self._name()} shows a certificate whose SHA-256 is {shown} and not "
            "TASK_QUEUE_FINGERPRINT; it was sent nothing"
        )

    def _certificate(self) -> bytes:
        assert self._writer is not None
        connection: ssl.SSLObject = self._writer.get_extra_info("ssl_object")
        return connection.getpeercert(binary_form=True) or b""

    def _name(self) -> str:
        return f"the queue server at {self.host}:{self.port}"


def fingerprint_of(certificate: bytes) -> str:
    """The SHA-256 of a certificate in DER, in hexadecimal."""
    return hashlib.sha256(certificate).hexdigest()


def _vouched_by(authorities: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a server's own certificate will do
    context.load_verify_locations(authorities)
    # An authority vouches for many servers, so the name tells which one is meant. The certificate
    # of one server is that server's whatever it is called: a master seldom knows its addresses.
    context.check_hostname = context.cert_store_stats()["x509_ca"] > 0
    return context


def _any_certificate() -> ssl.SSLContext:
    """For those whose fingerprint is compared."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"shows a certificate that TASK_QUEUE_CA does not vouch for ({error.verify_message}); "
            "it was sent nothing"
        )
    return f"does not speak TLS as it should ({error.reason or error}); it was sent nothing"
