"""The certificate that is in use, and the one on the disk."""

import shutil
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from app.certificate import LiveCertificate
from config.settings import Settings
from deploy.certificate import make_certificate
from deploy.folders import make_folders


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    """Those of a node that has its certificate."""
    settings = make_settings()
    make_folders(settings)
    make_certificate(settings)
    return settings


def shown(certificate: LiveCertificate) -> str:
    """What a new connection is shown, as PEM."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    client = trusting.wrap_bio(to_client, to_server)
    server = certificate.context.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client):
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()
    return ssl.DER_cert_to_PEM_cert(client.getpeercert(binary_form=True) or b"")


def test_a_process_that_begins_to_serve_shows_what_is_there_now(
    settings: Settings, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    certificate = LiveCertificate(settings)
    other = make_settings(files_dir=tmp_path / "other")
    make_folders(other)
    make_certificate(other)
    shutil.copy(other.ssl_keyfile, settings.ssl_keyfile)
    shutil.copy(other.ssl_certfile, settings.ssl_certfile)
    assert shown(certificate) != other.ssl_certfile.read_text()

    certificate.look()

    assert shown(certificate) == other.ssl_certfile.read_text()
