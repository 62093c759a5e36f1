"""Receivers of webhooks: which addresses may be one, when a delivery is tried again, and how a try can end."""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from core.clock import SECOND

WAITS = tuple(
    seconds * SECOND for seconds in (5, 5 * 60, 30 * 60, 2 * 3_600, 4 * 3_600, 7 * 3_600, 10 * 3_600 + 1_495)
)
"""How long a delivery waits after each failed try, in microseconds: 24 hours in all. After one more it is given up."""
MOST_TRIES = len(WAITS) + 1
MOST_URL = 2_000
Address = IPv4Address | IPv6Address
NAT64 = IPv6Network("64:ff9b::/96")
IPV4_BITS = 0xFFFF_FFFF


class Outcome(StrEnum):
    """How a try ended. The values label a metric."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    """An answer that is neither a success nor a redirection."""
    GONE = "gone"
    """410: the receiver wants no more."""
    REDIRECTED = "redirected"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    FORBIDDEN_ADDRESS = "forbidden_address"


class Tried(NamedTuple):
    """How a try ended, with the HTTP status if there was an answer, and a line for whoever runs the receiver."""

    outcome: Outcome
    status: int | None = None
    error: str | None = None

    @property
    def is_delivered(self) -> bool:
        """Whether the receiver has it."""
        return self.outcome is Outcome.DELIVERED

    def __str__(self) -> str:
        shown = [self.outcome.value, *([] if self.status is None else [str(self.status)])]
        return f"{' '.join(shown)}{'' if self.error is None else f': {self.error}'}"


class Outgoing(NamedTuple):
    """What is sent to a receiver."""

    url: str
    secret: str
    id: str
    body: str


Send = Callable[[Outgoing], Awaitable[Tried]]
"""Sends once, and raises nothing."""


class Fate(NamedTuple):
    """What becomes of a delivery after a try."""

    state: str
    """`pending`, `delivered` or `failed`."""
    wait: int | None
    """Microseconds until the next try; None where there is none."""
    disables: bool = False
    """Whether the receiver gets nothing more until somebody enables it; then this one is tried again."""


def fate_of(tried: Tried, tries: int, *, works: bool) -> Fate:
    """What becomes of a delivery after so many tries, this one included.

    `works` is whether the receiver has taken others since this one was noted: then it is this one that it cannot take,
    and those behind it must not wait for ever.
    """
    if tried.is_delivered:
        return Fate("delivered", None)
    if tried.outcome is Outcome.GONE:
        return Fate("pending", 0, disables=True)
    if tries < MOST_TRIES:
        return Fate("pending", WAITS[tries - 1])
    return Fate("failed", None) if works else Fate("pending", 0, disables=True)


def embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, or the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(int(address) & IPV4_BITS)
    return address.ipv4_mapped or address.sixtofour or address


def is_reachable(address: Address, *, allow_private: bool, only_loopback: bool = False) -> bool:
    """Whether a webhook may be sent to this address.

    A link-local one never is: there clouds keep the credentials of their machines.
    """
    at = embedded(address)
    if at.is_link_local or at.is_multicast or at.is_unspecified:
        return False
    if at.is_loopback or only_loopback:
        return allow_private and at.is_loopback
    # Python counts both as global.
    if at.is_reserved or (isinstance(at, IPv6Address) and at.is_site_local):
        return False
    return allow_private or at.is_global


def url_complaint(url: str, *, allow_private: bool) -> str | None:
    """Why this cannot be the address of a receiver; None if it can. Names are looked up at each try, and not here."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return "must be ASCII without spaces: write a name of other letters in Punycode"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not an address such as https://example.com/hook"
    if not host or parts.scheme not in ("https", "http"):
        return "must begin with https:// and a host"
    if parts.username is not None or parts.password is not None or parts.fragment:
        return "must have no user, password or fragment"
    return _host_complaint(host, parts.scheme, allow_private)


def _host_complaint(host: str, scheme: str, allow_private: bool) -> str | None:
    try:
        address = ip_address(host)
    except ValueError:
        address = None
    is_local = host == "localhost" or host.endswith(".localhost")
    if scheme == "http":
        is_loopback = is_local if address is None else address.is_loopback
        if not (allow_private and is_loopback):
            return "must be https; http is for this machine, where WEBHOOK_ALLOW_PRIVATE=true"
        return None
    is_refused = is_local if address is None else not is_reachable(address, allow_private=allow_private)
    return "is not a public address" if is_refused and not (is_local and allow_private) else None
