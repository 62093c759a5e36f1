"""Whole numbers as spreadsheets and data frames write them.

Separators of thousands differ by country: 155,157 and 155.157, 155 157 with any of four spaces, 1,55,157 in India,
15,5157 where ten thousands count. pandas adds `.0` where other values are missing.
"""

import re
from decimal import Decimal

LARGEST = 2**63 - 1
PLAIN = re.compile(r"\d+")
ZEROS = re.compile(r"(?P<number>.*\d)[.,]0{0,3}")
SEPARATOR = "(?P<separator>[,.'\u2019\u066c \u00a0\u2009\u202f])"
GROUPED = tuple(
    re.compile(first.replace("S", SEPARATOR, 1).replace("S", "(?P=separator)"))
    for first in (r"\d{1,3}S\d{3}(?:S\d{3})*", r"\d{1,2}S(?:\d{2}S)*\d{3}", r"\d{1,4}S\d{4}(?:S\d{4})*")
)
EXPONENT = re.compile(r"\d(?:[.,]\d+)?[eE]\+?\d{1,2}")
# From 12 digits on, Excel itself writes 1.23457E+17 for what had more digits than that.
LARGEST_EXPONENT = 10**11


def number(written: str) -> int | None:
    """The whole number from 0 to 2**63 - 1 that was written; None where it is none, or may be two (`3.000`)."""
    if written.isdecimal() and len(written) < len(str(LARGEST)):
        return int(written)
    found = readings(written)
    return found.pop() if len(found) == 1 else None


def readings(written: str) -> set[int]:
    """Every whole number that this may stand for."""
    written = written.strip()
    if PLAIN.fullmatch(written):
        return _small({int(written)})
    if EXPONENT.fullmatch(written):
        return _exponent(written)
    found = {_joined(written)} if is_grouped(written) else set[int]()
    if (match := ZEROS.fullmatch(written)) and _is_decimal(written, match["number"]):
        found |= readings(match["number"])
    return _small(found)


def is_grouped(written: str) -> bool:
    """Whether this may be one number with separators."""
    return any(grouping.fullmatch(written.strip()) for grouping in GROUPED)


def _joined(written: str) -> int:
    return int("".join(filter(str.isdigit, written)))


def _is_decimal(written: str, whole: str) -> bool:
    """Whether zeros at the end may be decimals: three behind a comma are a group, behind a point either."""
    point = written[len(whole)]
    return point not in whole and (point == "." or len(written) - len(whole) <= len(",00"))


def _exponent(written: str) -> set[int]:
    value = Decimal(written.replace(",", "."))
    return {int(value)} if value < LARGEST_EXPONENT and value == value.to_integral_value() else set()


def _small(numbers: set[int]) -> set[int]:
    return {each for each in numbers if each <= LARGEST}
