import pytest

from app.auth import network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("", ""),
        ("unix:", "unix:"),
        ("2001:db8::1::2", "2001:db8::1::2"),
    ],
)
def test_the_addresses_of_one_host_count_as_one(address: str, network: str) -> None:
    assert network_of(address) == network
