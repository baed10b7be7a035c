"""The certificate that the gateway shows: modern TLS only, and a renewed one without a restart.

A new pair gets a context of its own. The one that listens would go on to show a former pair whose
keys are of another type, as it has a place for each; and a pair that does not fit together would
leave it with the new certificate and the old key.
"""

import asyncio
import logging
import ssl

from config.errors import ConfigurationError
from config.file_state import FileState, file_state
from config.logs import event
from config.settings import Settings

log = logging.getLogger("fasttask.app")

LOOK_SECONDS = 2.0  # how often the files are looked at
# For TLS 1.2: forward secrecy and authenticated encryption only. The suites of 1.3 are all such.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


class LiveCertificate:
    """The pair in SSL_CERTFILE and SSL_KEYFILE, as it is in use and as it is on the disk."""

    def __init__(self, settings: Settings) -> None:
        """Take the pair into use.

        Raises:
            ConfigurationError: it cannot be.
        """
        self._certificate, self._key = settings.ssl_certfile, settings.ssl_keyfile
        self._seen = self._states()
        try:
            self.context = self._newest = self._new_context()
        except OSError as error:
            pair = f"SSL_CERTFILE={self._certificate}, SSL_KEYFILE={self._key}"
            problem = f"{pair}: no certificate with its key: {error.strerror or error}"
            raise ConfigurationError([problem]) from None
        self.context.sni_callback = self._use_newest

    async def watch(self) -> None:
        """Look at the files again and again, for as long as the gateway runs."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self._notice(await asyncio.to_thread(self._states))

    def look(self) -> None:
        """Look at the files: a fork begins with what was loaded before it, maybe long ago."""
        self._notice(self._states())

    def _notice(self, states: list[FileState | None]) -> None:
        if states != self._seen:
            self._seen = states
            self._renew()

    def _renew(self) -> None:
        """Use the pair on the disk from now on, or say why not; open connections stay."""
        try:
            self._newest = self._new_context()
        except OSError as error:
            event(log, logging.ERROR, "certificate_kept", path=self._certificate,
                  why=error.strerror or error,
                  remedy="mend the new pair: the former one is still used")  # fmt: skip
        else:
            event(log, logging.INFO, "certificate_loaded", path=self._certificate)

    def _use_newest(
        self, handshake: ssl.SSLObject, _name: str | None, _listening: ssl.SSLContext
    ) -> None:
        """Called at each handshake, also of a client that asks for no name."""
        handshake.context = self._newest

    def _new_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(CIPHERS)
        context.options |= ssl.OP_NO_RENEGOTIATION
        # Without a password of ours OpenSSL would ask for one at the terminal.
        context.load_cert_chain(self._certificate, self._key, password="")
        return context

    def _states(self) -> list[FileState | None]:
        return [file_state(path) for path in (self._certificate, self._key)]
