"""Filters by the operator's fields, and whether there is anything that they could find."""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from domain.fields.kinds import FARTHEST, bin_bounds

FIELD = "field."
LEAST, MOST = ".min", ".max"
NAMED = re.compile(r"[a-z][a-z0-9_]{0,31}")
LONGEST_VALUE = 40


class FieldFilter(NamedTuple):
    """The insights with a value of a field, or with a number of it between two, both included."""

    name: str
    value: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    whole: tuple[int, ...] = ()
    """The numbers of values whose insights all match; the store looks them up."""
    cut: tuple[int, ...] = ()
    """Those of bins of numbers of which only some match."""

    @property
    def is_range(self) -> bool:
        """Whether it asks for numbers between two."""
        return self.minimum is not None or self.maximum is not None

    @property
    def numbers(self) -> tuple[int, ...]:
        """Everything that a matching insight may be filed under. It is under one of them at most."""
        return (*self.whole, *self.cut)

    @property
    def least(self) -> float:
        """The lowest number that matches."""
        return -FARTHEST if self.minimum is None else self.minimum

    @property
    def most(self) -> float:
        """The highest number that matches."""
        return FARTHEST if self.maximum is None else self.maximum

    def has_part_in(self, name: str) -> bool:
        """Whether some numbers of a bin match."""
        low, high = bin_bounds(name)
        return low <= self.most and high >= self.least

    def has_all_of(self, name: str) -> bool:
        """Whether all numbers of a bin match."""
        low, high = (min(max(each, -FARTHEST), FARTHEST) for each in bin_bounds(name))
        return self.least <= low and high <= self.most


class KnownField(NamedTuple):
    """What a field has been, in all versions."""

    types: frozenset[str]
    values: Sequence[str]
    """Those of an enum, a boolean or a list."""


def read_filters(given: Mapping[str, str]) -> tuple[FieldFilter, ...]:
    """The filters of query parameters that begin with FIELD, by name. Raises ValueError, which names a bad one."""
    found: dict[str, FieldFilter] = {}
    for parameter, text in sorted(given.items()):
        name = _name(parameter)
        found[name] = _with(found.get(name, FieldFilter(name)), parameter, text)
    for each in found.values():
        _check(each)
    return tuple(found.values())


def _name(parameter: str) -> str:
    name = parameter.removeprefix(FIELD).removesuffix(LEAST).removesuffix(MOST)
    if NAMED.fullmatch(name) is None:
        raise ValueError(f"{FIELD}NAME: a name has 1 to 32 lower-case letters, digits and underscores")
    return name


def _with(before: FieldFilter, parameter: str, text: str) -> FieldFilter:
    if parameter.endswith(LEAST):
        return before._replace(minimum=_number(parameter, text))
    if parameter.endswith(MOST):
        return before._replace(maximum=_number(parameter, text))
    return before._replace(value=_value(parameter, text))


def _check(asked: FieldFilter) -> None:
    name = FIELD + asked.name
    if asked.value is not None and asked.is_range:
        raise ValueError(f"{name}: give either a value or limits")
    if asked.minimum is not None and asked.maximum is not None and asked.minimum > asked.maximum:
        raise ValueError(f"{name}{LEAST}: must not be above {name}{MOST}")


def _value(parameter: str, text: str) -> str:
    if not 0 < len(text) <= LONGEST_VALUE or "\0" in text:
        raise ValueError(f"{parameter}: must have 1 to {LONGEST_VALUE} characters without U+0000")
    return text


def _number(parameter: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not -FARTHEST <= number <= FARTHEST:  # false for NaN too
        raise ValueError(f"{parameter}: must be a number from {-FARTHEST:g} to {FARTHEST:g}")
    return number


def why_not_found(filters: Collection[FieldFilter], known: Mapping[str, KnownField]) -> str | None:
    """Why one of the filters can never find anything; None if all can."""
    reasons = (_refused(each, known) for each in filters)
    return next((reason for reason in reasons if reason is not None), None)


def _refused(asked: FieldFilter, known: Mapping[str, KnownField]) -> str | None:
    name = FIELD + asked.name
    if asked.name not in known:
        return f"{name}: {unknown_field(known)}"
    field = known[asked.name]
    if field.types == {"text"}:
        return f"{name}: is a text, and texts cannot be filtered by"
    if asked.is_range and "number" not in field.types:
        limit = MOST if asked.minimum is None else LEAST
        return f"{name}{limit}: is for numbers; {name} must be {_listed(field.values)}"
    if asked.value is not None and asked.value not in field.values:
        return f"{name}: {_instead(name, field)}"
    return None


def _instead(name: str, field: KnownField) -> str:
    if not field.values:
        return f"is a number; give {name}{LEAST}, {name}{MOST} or both"
    return f"must be {_listed(field.values)}"


def _listed(values: Sequence[str]) -> str:
    return f"one of {', '.join(values)}"


def unknown_field(known: Collection[str]) -> str:
    """Says which fields there are."""
    if not known:
        return "no such field; FIELDS_FILE is not set and no insight has fields"
    return f"no such field; there are {', '.join(sorted(known))}"
