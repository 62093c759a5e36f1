"""Finds IP addresses, and leaves version numbers and times alone."""

import ipaddress
import re
from collections.abc import Iterator

from domain.redaction.detections import Detection
from domain.redaction.labels import BACK

IPV4 = re.compile(r"(?<![\w.])(?<!\d[,-])\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d)", re.ASCII)
IPV6 = re.compile(r"(?<![\w:.])(?=[0-9a-f]{0,4}:)[0-9a-f:]{3,39}(?![\w:]|\.\d)", re.ASCII | re.IGNORECASE)
FIRST_GROUP = re.compile(r"(?=[a-f]*\d)[0-9a-f]{4}:", re.IGNORECASE)
VERSION = re.compile(
    r"(?<![^\W_])(?:versions?|ver|v|build|release|firmware|update[ds]?(?: to)?|app|software|driver|os|ios|android)"
    r"[\s.:=(-]*(?:(?:is|to|from)\b\s*)?$",
    re.IGNORECASE,
)


def find_addresses(text: str, before: str = "") -> Iterator[Detection]:
    """Every IP address of a text, which follows the words `before`."""
    if text.count(".") >= 3:
        yield from _find_ipv4(text, before)
    if text.count(":") >= 2:
        yield from _find_ipv6(text)


def _find_ipv4(text: str, before: str) -> Iterator[Detection]:
    for match in IPV4.finditer(text):
        words = (before + text[: match.start()])[-BACK:]
        if _is_address(match.group()) and VERSION.search(words) is None:
            yield Detection(match.start(), match.end(), "ip")


def _find_ipv6(text: str) -> Iterator[Detection]:
    for match in IPV6.finditer(text):
        address = match.group()
        groups = sum(map(bool, address.split(":")))
        # `a::b` and `1::2` are addresses too, and more often code.
        is_one = (groups >= 3 and any(map(str.isdigit, address))) or FIRST_GROUP.match(address)
        if is_one and _is_address(address):
            yield Detection(match.start(), match.end(), "ip")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
