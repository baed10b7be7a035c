import datetime
import ipaddress
import shutil
import socket
import ssl
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from config.errors import ConfigurationError
from config.settings import Settings
from deploy.certificate import check_certificate, make_certificate
from tests.closed_folder import not_to_be_entered


@pytest.fixture
def certified(node: Callable[..., Settings]) -> Settings:
    settings = node()
    make_certificate(settings)
    return settings


def certificate_of(settings: Settings) -> x509.Certificate:
    return x509.load_pem_x509_certificate(settings.ssl_certfile.read_bytes())


def names_of(settings: Settings) -> x509.SubjectAlternativeName:
    return (
        certificate_of(settings)
        .extensions.get_extension_for_class(x509.SubjectAlternativeName)
        .value
    )


def test_it_lasts_ten_years(certified: Settings) -> None:
    left = certificate_of(certified).not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    assert datetime.timedelta(days=3649) < left <= datetime.timedelta(days=3650)


def test_the_key_is_a_private_file_on_curve_p256(certified: Settings) -> None:
    key = serialization.load_pem_private_key(certified.ssl_keyfile.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert isinstance(key.curve, ec.SECP256R1)
    assert stat.S_IMODE(certified.ssl_keyfile.stat().st_mode) == 0o600


def test_it_names_this_machine(certified: Settings) -> None:
    names = names_of(certified)
    assert names.get_values_for_type(x509.DNSName) == ["localhost", socket.gethostname()]
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]


@pytest.mark.parametrize(
    ("api_host", "named"),
    [
        ("192.0.2.7", x509.IPAddress(ipaddress.ip_address("192.0.2.7"))),
        ("2001:db8::7", x509.IPAddress(ipaddress.ip_address("2001:db8::7"))),
        ("api.example.org", x509.DNSName("api.example.org")),
    ],
)
def test_it_names_the_host_of_the_api(
    node: Callable[..., Settings], api_host: str, named: x509.GeneralName
) -> None:
    settings = node(api_host=api_host)
    make_certificate(settings)
    assert named in list(names_of(settings))


@pytest.mark.parametrize("every", ["0.0.0.0", "::"])
def test_every_address_is_no_name(node: Callable[..., Settings], every: str) -> None:
    settings = node(api_host=every)
    make_certificate(settings)
    assert x509.IPAddress(ipaddress.ip_address(every)) not in list(names_of(settings))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_strict_clients_trust_it(certified: Settings, host: str) -> None:
    client = ssl.create_default_context(cafile=str(certified.ssl_certfile))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certified.ssl_certfile, certified.ssl_keyfile)
    shake_hands(client, server, host)


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, host: str) -> None:
    """A TLS handshake in memory; raises what the client has against the server."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=host),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(10):
        for end in list(ends):
            try:
                end.do_handshake()
                ends.remove(end)
            except ssl.SSLWantReadError:
                pass
    assert not ends


def test_an_existing_one_is_kept(certified: Settings) -> None:
    before = (certified.ssl_keyfile.read_bytes(), certified.ssl_certfile.read_bytes())
    make_certificate(certified)
    assert (certified.ssl_keyfile.read_bytes(), certified.ssl_certfile.read_bytes()) == before


@pytest.mark.parametrize("missing", ["ssl_keyfile", "ssl_certfile"])
def test_half_a_pair_is_an_error_and_is_kept(certified: Settings, missing: str) -> None:
    getattr(certified, missing).unlink()
    with pytest.raises(ConfigurationError, match=f"{missing.upper()}=.* is missing although"):
        make_certificate(certified)
    assert len(list(certified.ssl_cert_dir.iterdir())) == 1


@pytest.mark.parametrize("name", ["ssl_keyfile", "ssl_certfile"])
def test_a_place_that_may_not_be_looked_at_is_one_line(
    node: Callable[..., Settings], tmp_path: Path, name: str
) -> None:
    places = {"ssl_keyfile": Path("/no/key.pem"), "ssl_certfile": Path("/no/cert.pem")}
    places[name] = tmp_path / "closed" / "file.pem"
    settings = node().model_copy(update=places)
    with not_to_be_entered(tmp_path / "closed"), pytest.raises(ConfigurationError) as caught:
        check_certificate(settings)
    [line] = caught.value.lines
    assert line.startswith(f"{name.upper()}={tmp_path}/closed/file.pem cannot be looked at")


def test_files_that_are_no_pair_are_an_error(
    certified: Settings, node: Callable[..., Settings], tmp_path: Path
) -> None:
    other = node(files_dir=tmp_path / "other")
    make_certificate(other)
    shutil.copy(other.ssl_keyfile, certified.ssl_keyfile)
    with pytest.raises(ConfigurationError, match="cannot be used"):
        check_certificate(certified)


def test_a_key_with_a_password_is_an_error_and_no_question(certified: Settings) -> None:
    key = serialization.load_pem_private_key(certified.ssl_keyfile.read_bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"word"),
    )
    certified.ssl_keyfile.write_bytes(locked)
    with pytest.raises(ConfigurationError, match="the key without a password"):
        check_certificate(certified)


def test_no_key_is_made_among_the_files_of_others(
    node: Callable[..., Settings], tmp_path: Path
) -> None:
    others = tmp_path / "trusted"
    others.mkdir()
    (others / "authority.crt").touch()
    settings = node().model_copy(
        update={
            "ssl_cert_dir": others,
            "ssl_keyfile": others / "key.pem",
            "ssl_certfile": others / "cert.pem",
        }
    )
    with pytest.raises(ConfigurationError, match=r"SSL_CERT_DIR=.* holds other files"):
        make_certificate(settings)
    assert [path.name for path in others.iterdir()] == ["authority.crt"]
