"""Finds IBANs: in groups or without, in any case, of the length of their country and with the right check digits."""

import re
from collections.abc import Iterator
from functools import cache

from stdnum import iban, numdb

from domain.redaction.detections import Detection

# Looked ahead for, so that the words of one candidate may begin the next.
CANDIDATE = re.compile(r"(?<![^\W_])(?=([A-Za-z]{2}\d\d(?:[ \u00a0.-]?[A-Za-z0-9]){11,30}))")
END_OF_WORD = re.compile(r"[A-Za-z0-9](?![^\W_])")


def find_ibans(text: str) -> Iterator[Detection]:
    """Every IBAN of a text."""
    for match in CANDIDATE.finditer(text):
        end = _end(text, *match.span(1))
        if end is not None:
            yield Detection(match.start(), end, "iban")


def _end(text: str, start: int, end: int) -> int | None:
    """Where the IBAN that begins at `start` ends, if it is one: its country says how long it is."""
    length = _length(text[start : start + 2].upper())
    places = [at for at in range(start, end) if text[at].isalnum()][:length]
    if not length or len(places) < length or END_OF_WORD.match(text, places[-1]) is None:
        return None
    # National check digits are left out: a wrong one is no reason to show an account.
    is_one = iban.is_valid("".join(text[at] for at in places), check_country=False)
    return places[-1] + 1 if is_one else None


@cache
def _length(country: str) -> int:
    """The characters of an IBAN of a country; 0 if it has none."""
    [(_, properties), *_] = numdb.get("iban").info(country)
    return 4 + sum(map(int, re.findall(r"\d+", properties["bban"]))) if "bban" in properties else 0
