"""Replaces personal data in texts, names and JSON documents by placeholders such as `[email]`."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count
from typing import NamedTuple

from domain.redaction.addresses import find_addresses
from domain.redaction.cards import find_cards
from domain.redaction.detections import NOTHING, Counts, Detection, merged
from domain.redaction.emails import find_emails
from domain.redaction.ibans import find_ibans
from domain.redaction.patterns import Patterns
from domain.redaction.phones import find_phones

HAS_DIGIT = re.compile(r"\d")
INNER_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
PERSONAL_KEY = re.compile(
    r"phone|mobile|cell|\btel|fax|whatsapp|msisdn|\bcard|(?<![a-z])pan(?![a-z])", re.IGNORECASE
)
"""Names under which a number of a JSON document may be a phone or a card; any other number is left as it is."""


class RedactedText(NamedTuple):
    """A text with placeholders, and how many of each kind it has got."""

    text: str
    counts: Counts


class RedactedDocument(NamedTuple):
    """A JSON document with placeholders, and how many of each kind it has got."""

    document: object
    counts: Counts


class Redactor:
    """Finds and replaces e-mail addresses, phones, cards, IBANs, IP addresses and what the patterns match."""

    def __init__(self, regions: Sequence[str], patterns: Patterns) -> None:
        """`regions` are the two-letter codes of the countries whose phone numbers are found without a `+`."""
        self._regions = regions
        self._patterns = patterns

    def redact(self, text: str, before: str = "") -> RedactedText:
        """Replace what is found. `before` are words that precede the text and are not part of it."""
        return _replaced(text, merged(self._detected(text, before)))

    def redact_name(self, name: str) -> RedactedText:
        """Replace what is found in an author's name. A name of digits alone is an id, and only patterns apply."""
        if name.isdecimal():
            return _replaced(name, merged(self._patterns.find(name)))
        return self.redact(name)

    def redact_document(self, document: object) -> RedactedDocument:
        """Replace what is found in the strings of a JSON document, keys included."""
        counts: Counter[str] = Counter()
        return RedactedDocument(self._walk(document, "", counts), counts)

    def _detected(self, text: str, before: str) -> Iterator[Detection]:
        yield from self._patterns.find(text)
        yield from find_emails(text)
        if HAS_DIGIT.search(text) is not None:
            yield from find_ibans(text)
            yield from find_cards(text, before)
            yield from find_addresses(text, before)
            yield from find_phones(text, self._regions, before)

    def _walk(self, value: object, key: str, counts: "Counter[str]") -> object:
        match value:
            case str():
                return self._string(value, key, counts)
            case dict():
                return self._object(value, counts)
            case list():
                return [self._walk(each, key, counts) for each in value]
            case int() if not isinstance(value, bool) and PERSONAL_KEY.search(key):
                shown = self._string(str(value), key, counts)
                return value if shown == str(value) else shown
        return value

    def _string(self, text: str, key: str, counts: "Counter[str]") -> str:
        redacted = self.redact(text, f"{INNER_CAPITAL.sub(' ', key)}: " if key else "")
        counts.update(redacted.counts)
        return redacted.text

    def _object(self, value: dict[str, object], counts: "Counter[str]") -> dict[str, object]:
        shown: dict[str, object] = {}
        for key, each in value.items():
            name = self._string(key, "", counts)
            shown[_free(name, shown)] = self._walk(each, key, counts)
        return shown


def _replaced(text: str, found: Sequence[Detection]) -> RedactedText:
    if not found:
        return RedactedText(text, NOTHING)
    parts, at = [], 0
    for each in found:
        parts += [text[at : each.start], f"[{each.kind}]"]
        at = each.end
    return RedactedText("".join([*parts, text[at:]]), Counter(each.kind for each in found))


def _free(name: str, taken: dict[str, object]) -> str:
    """The key, or with a number behind it: two addresses must not become one key."""
    if name not in taken:
        return name
    return next(new for number in count(2) if (new := f"{name} {number}") not in taken)
