"""The way to the queue server: encrypted or not, whom a worker trusts, by a port or a socket."""

import re
import ssl
from pathlib import Path

from pydantic import ValidationInfo, field_validator

from config.setting_groups.places import absolute
from config.setting_groups.queue_server import QueueServerSettings, needs_queue_address


class QueueTlsSettings(QueueServerSettings):
    """TLS on the way to the queue server, and the certificate that a worker takes for it."""

    task_queue_tls: bool = False
    task_queue_ca: Path | None = None
    task_queue_fingerprint: str | None = None

    @field_validator("task_queue_tls")
    @classmethod
    def _url_says_it_itself(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("task_queue_url"):
            raise ValueError(
                "does not go with TASK_QUEUE_URL; say it there: rediss://...?ssl_ca_certs=FILE"
            )
        return value

    @field_validator("task_queue_ca")
    @classmethod
    def _readable_certificates(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is None:
            return None
        _needs_tls(info)
        path = absolute(value)
        try:
            ssl.create_default_context(cafile=path)
        except OSError as error:
            raise ValueError(
                f"holds no certificates ({error.strerror or error}); "
                "copy the master's SSL_CERTFILE there, or name that of its authority"
            ) from None
        return path

    @field_validator("task_queue_fingerprint")
    @classmethod
    def _sha256_of_a_certificate(cls, value: str | None, info: ValidationInfo) -> str | None:
        trusts = value or info.data.get("task_queue_ca") or "task_queue_ca" not in info.data
        if info.data.get("task_queue_tls") and needs_queue_address(info) and not trusts:
            raise ValueError(
                "or TASK_QUEUE_CA is required on a worker with TASK_QUEUE_TLS=True: "
                "`make up-master` shows the fingerprint"
            )
        if value is None:
            return None
        _needs_tls(info)
        digits = value.replace(":", "").lower()
        if not re.fullmatch(r"[0-9a-f]{64}", digits):
            raise ValueError("is no SHA-256: 64 hexadecimal digits, with or without colons")
        return digits

    @property
    def serves_queue_over_tls(self) -> bool:
        """Whether this node's own queue server listens on a port and speaks TLS there."""
        on_port = self.has_queue_server and self.task_queue_port is not None
        return on_port and self.task_queue_tls

    @property
    def queue_socket(self) -> Path | None:
        """The unix socket by which the node's own parts reach its own queue server, else None.

        One that listens on a port in plain text is reached there like by everybody else. One that
        speaks TLS has a socket as well: what does not leave the machine needs no certificate.
        """
        only_port = self.task_queue_port is not None and not self.serves_queue_over_tls
        return None if not self.has_queue_server or only_port else self.short_socket("queue.sock")

    @property
    def queue_url_defaults(self) -> dict[str, bool]:
        """What holds for a TASK_QUEUE_URL unless it says otherwise, as options of redis-py.

        A certificate has to name the server, or any host of its authority could be the server.
        """
        url = self.task_queue_url.get_secret_value() if self.task_queue_url else ""
        checks = url.startswith("rediss://") and "ssl_cert_reqs=" not in url
        return {"ssl_check_hostname": True} if checks else {}


def _needs_tls(info: ValidationInfo) -> None:
    """What says whom to trust means TLS: without it the password would go out in plain text."""
    if info.data.get("task_queue_tls") is False:
        raise ValueError("says whom to trust over TLS; set TASK_QUEUE_TLS=True as well")
