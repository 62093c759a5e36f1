"""Which addresses may be a receiver, and what becomes of a delivery after a try."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import SECOND
from domain.events import EVENT_TYPES, WebhookEvent, body_of
from domain.receivers import MOST_TRIES, WAITS, Outcome, Tried, fate_of, is_reachable, url_complaint
from schemas import EventType

PUBLIC = ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"]
PRIVATE = [
    *("10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "127.0.0.1", "127.1.2.3", "::1"),
    *("fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "::ffff:127.0.0.1"),
]
NEVER = [
    *("169.254.169.254", "fe80::1", "0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255"),
    *("240.0.0.1", "fec0::1", "::7f00:1", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "::ffff:169.254.1.1"),
    "64:ff9b:1::a00:1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_reached(address: str) -> None:
    assert is_reachable(ip_address(address), allow_private=False)
    assert not is_reachable(ip_address(address), allow_private=True, only_loopback=True)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_ones_only_where_that_is_allowed(address: str) -> None:
    assert not is_reachable(ip_address(address), allow_private=False)
    assert is_reachable(ip_address(address), allow_private=True)


@pytest.mark.parametrize("address", NEVER)
def test_some_are_never_reached(address: str) -> None:
    assert not is_reachable(ip_address(address), allow_private=False)
    assert not is_reachable(ip_address(address), allow_private=True)


@given(st.ip_addresses())
def test_what_is_reached_is_global_or_allowed(address: object) -> None:
    found = ip_address(str(address))
    if is_reachable(found, allow_private=False):
        assert found.is_global or str(found).startswith(("2002:", "64:ff9b:", "::ffff:"))
        assert is_reachable(found, allow_private=True)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "https://example.com/hook",
            "https://example.com:8443/a?b=c",
            "https://93.184.216.34/",
            "https://xn--e1.test",
        ),
        "https://[2606:2800:220:1::1]/hook",
    ],
)
def test_good_addresses(url: str) -> None:
    assert url_complaint(url, allow_private=False) is None


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://example.com/",
            "ftp://example.com",
            "example.com",
            "https://",
            "https:///x",
            "https://a:b@c.test/",
        ),
        *(
            "https://10.0.0.1/",
            "https://localhost/",
            "https://[::1]/",
            "https://a b.test/",
            "https://münchen.test/",
        ),
        *(
            "https://169.254.169.254/latest",
            "https://x.test:99999/",
            "https://x.test/#part",
            "https://x.test\\@10.0.0.1/",
        ),
        *("http://127.0.0.1/", "https://x.test/\r\nHost: y", "https://sub.localhost/", "https://[::1", ""),
    ],
)
def test_bad_addresses(url: str) -> None:
    assert url_complaint(url, allow_private=False)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/x", "http://localhost/", "http://[::1]/", "https://10.0.0.1/"]
)
def test_addresses_that_are_good_where_private_ones_are_allowed(url: str) -> None:
    assert url_complaint(url, allow_private=True) is None


@pytest.mark.parametrize("url", ["http://10.0.0.1/", "http://example.com/", "https://169.254.169.254/"])
def test_addresses_that_are_bad_even_then(url: str) -> None:
    assert url_complaint(url, allow_private=True)


def test_eight_tries_take_24_hours_and_the_second_comes_within_a_minute() -> None:
    assert MOST_TRIES == 8
    assert sum(WAITS) == 24 * 3_600 * SECOND
    assert WAITS[0] < 60 * SECOND
    assert [*WAITS] == sorted(WAITS)


FAILED = [each for each in Outcome if each not in (Outcome.DELIVERED, Outcome.GONE)]


@given(st.sampled_from(FAILED), st.integers(1, 8), st.booleans())
def test_a_failed_delivery_is_tried_eight_times(outcome: Outcome, tries: int, works: bool) -> None:
    fate = fate_of(Tried(outcome), tries, works=works)

    if tries < MOST_TRIES:
        assert (fate.state, fate.wait, fate.disables) == ("pending", WAITS[tries - 1], False)
    elif works:
        assert (fate.state, fate.wait, fate.disables) == ("failed", None, False)
    else:
        assert (fate.state, fate.disables) == ("pending", True)


@given(st.integers(1, 20), st.booleans())
def test_a_delivered_one_has_ended_and_gone_disables_at_once(tries: int, works: bool) -> None:
    delivered = fate_of(Tried(Outcome.DELIVERED, 200), tries, works=works)
    assert (delivered.state, delivered.wait, delivered.disables) == ("delivered", None, False)
    assert fate_of(Tried(Outcome.GONE, 410), tries, works=works).disables


def test_the_types_are_those_of_the_document() -> None:
    assert EventType.__args__ == EVENT_TYPES  # type: ignore[attr-defined]


def test_a_body_has_type_timestamp_and_data() -> None:
    event = WebhookEvent("alert.fired", 1_000_000, {"é": [1]}, "alert:1")

    assert (
        body_of(event) == '{"type":"alert.fired","timestamp":"1970-01-01T00:00:01.000000Z","data":{"é":[1]}}'
    )
