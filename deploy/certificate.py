"""The node's certificate: self-signed, made on the first start, never over an existing one."""

import datetime
import ipaddress
import os
import socket
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from config.errors import ConfigurationError
from config.settings import Settings
from deploy.folders import is_own
from deploy.private_file import write_private

VALIDITY = datetime.timedelta(days=3650)
# A client's clock may be behind ours.
BACKDATED = datetime.timedelta(days=1)


def check_certificate(settings: Settings) -> None:
    """See that an existing key and certificate can be used; that both are missing is fine.

    Raises:
        ConfigurationError: just one of the two exists, they are no pair, or they would have to be
            made in a folder that is not the node's own.
    """
    key, certificate = settings.ssl_keyfile, settings.ssl_certfile
    has_key, has_certificate = _exists("SSL_KEYFILE", key), _exists("SSL_CERTFILE", certificate)
    if has_key and has_certificate:
        _check_pair(settings)
    elif has_key:
        raise _half_missing(f"SSL_CERTFILE={certificate}", f"SSL_KEYFILE={key}")
    elif has_certificate:
        raise _half_missing(f"SSL_KEYFILE={key}", f"SSL_CERTFILE={certificate}")
    elif settings.ssl_cert_dir in key.parents and not is_own(settings, settings.ssl_cert_dir):
        raise _among_others(settings)


def make_certificate(settings: Settings) -> None:
    """Make key and certificate, unless both exist.

    Raises:
        ConfigurationError: they cannot be written, or what exists cannot be used.
    """
    check_certificate(settings)
    if settings.ssl_certfile.exists():
        return
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _self_signed(key, _names(settings))
    write_private(settings.ssl_keyfile, _key_text(key))
    write_private(settings.ssl_certfile, certificate.public_bytes(serialization.Encoding.PEM))


def fingerprint(settings: Settings) -> str:
    """The SHA-256 of the node's certificate, as `openssl x509 -fingerprint` spells it."""
    certificate = x509.load_pem_x509_certificates(settings.ssl_certfile.read_bytes())[0]
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def _exists(setting: str, path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise ConfigurationError(
            [f"{setting}={path} cannot be looked at ({error.strerror}); let user id "
             f"{os.geteuid()} enter its folder, or choose another place"]
        ) from None  # fmt: skip


def _half_missing(missing: str, present: str) -> ConfigurationError:
    return ConfigurationError(
        [
            f"{missing} is missing although {present} exists; "
            "put it there, or move the other one away to have both made anew"
        ]
    )


def _among_others(settings: Settings) -> ConfigurationError:
    return ConfigurationError(
        [
            f"SSL_CERT_DIR={settings.ssl_cert_dir} holds other files, so no key is made there; "
            "put your key.pem and cert.pem there, choose an empty folder, or unset SSL_CERT_DIR "
            "(OpenSSL reads a variable of this name too) and a certificate is made below FILES_DIR"
        ]
    )


def _check_pair(settings: Settings) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # Without a password of ours OpenSSL would ask for one at the terminal.
        context.load_cert_chain(settings.ssl_certfile, settings.ssl_keyfile, password="")
    except OSError as error:
        raise ConfigurationError(
            [
                f"SSL_CERTFILE={settings.ssl_certfile} and SSL_KEYFILE={settings.ssl_keyfile} "
                f"cannot be used ({error.strerror or error}); both must be PEM files, "
                "the key without a password and of this certificate"
            ]
        ) from None


def _names(settings: Settings) -> list[x509.GeneralName]:
    """How a client may call this node: its names, and its addresses as far as they are known."""
    known = ["localhost", socket.gethostname(), "127.0.0.1", "::1", settings.api_host]
    return [name for text in dict.fromkeys(known) if (name := _general_name(text))]


def _general_name(text: str) -> x509.GeneralName | None:
    """A name or address as a certificate spells it; None if it means no particular host."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return x509.DNSName(text) if text and text.isascii() else None
    return None if address.is_unspecified else x509.IPAddress(address)


def _self_signed(
    key: ec.EllipticCurvePrivateKey, names: list[x509.GeneralName]
) -> x509.Certificate:
    """A certificate that strict clients accept as their own anchor: RFC 5280, section 4.2."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "FastTask")])
    now = datetime.datetime.now(datetime.UTC)
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + VALIDITY)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )


def _key_text(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
