"""Which addresses are one client: an IPv6 /64 is, because its holder may use each of its addresses."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rate_limiter import InboundLimiter, client_of

NETWORKS = st.integers(2**61, 2**64 - 1)
HOSTS = st.integers(0, 2**64 - 1)


@given(network=NETWORKS, one=HOSTS, other=HOSTS)
def test_a_64_is_one_client_and_the_next_64_is_another(network: int, one: int, other: int) -> None:
    address = str(IPv6Address(network << 64 | one))

    assert client_of(address) == client_of(IPv6Address(network << 64 | other).exploded)
    assert client_of(address) != client_of(str(IPv6Address((network ^ 1) << 64 | one)))


@given(st.integers(0, 2**32 - 1))
def test_an_ipv4_address_is_a_client_however_it_is_written(number: int) -> None:
    address = str(IPv4Address(number))

    assert client_of(address) == client_of(f"::ffff:{address}") == address


@pytest.mark.parametrize("address", ["", "unknown", "[2001:db8::1", "proxy:8080", "192.0.2.1"])
def test_what_is_no_ipv6_address_stands_for_itself(address: str) -> None:
    assert client_of(address) == address


def test_the_zone_of_a_link_local_address_is_left_out() -> None:
    assert client_of("fe80::1%eth0") == client_of("fe80::2") == "fe80::/64"


def test_a_client_passes_the_limit_once_from_all_its_addresses() -> None:
    limiter = InboundLimiter(0, per_client=1)
    addresses = [f"2001:db8::{number}" for number in range(1, 6)]

    assert [limiter.take(each, write=True).allowed for each in addresses] == [
        True,
        False,
        False,
        False,
        False,
    ]
    assert limiter.take("2001:db8:0:1::1", write=True).allowed
