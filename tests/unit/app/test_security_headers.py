"""When browsers are told to insist on HTTPS."""

import datetime
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.security_headers import security_headers
from config.settings import Settings


def certificate(issuer: str, subject: str) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, n)]) for n in (issuer, subject)]
    builder = x509.CertificateBuilder(*names, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize(
    ("issuer", "port", "told"),
    [("authority", 443, True), ("authority", 9001, False), ("node", 443, False)],
)
def test_only_with_a_certificate_somebody_vouches_for_and_on_the_usual_port(
    make_settings: Callable[..., Settings], issuer: str, port: int, told: bool
) -> None:
    settings = make_settings(api_port=port)
    settings.ssl_cert_dir.mkdir()
    settings.ssl_certfile.write_bytes(certificate(issuer, "node"))

    assert ("Strict-Transport-Security" in dict(security_headers(settings))) is told
