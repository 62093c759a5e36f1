"""The kinds of fields, and whether a value that an analyzer gave for one can be used."""

import math
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from domain.text import storable

FieldValue = str | int | float | bool | Sequence[str] | None
"""A value as it is stored and shown; None where an analyzer says that there is none."""
About = Literal["customer", "agent", "conversation"]
Asker = Literal["conversations", "summaries", "both"]

LONGEST_TEXT = 200
MOST_ITEMS = 10
MOST_FIELDS = 12
FARTHEST = 1e12
"""Numbers lie between this and its opposite where a field has no bounds of its own."""


@dataclass(frozen=True, kw_only=True)
class Field(ABC):
    """What all fields have. Its kinds say what a value may be."""

    type: ClassVar[str]
    name: str
    meaning: str
    of: About = "conversation"
    required: bool = False
    """Whether a value has to be given. If not, null says that the conversation has none."""
    asker: Asker = "conversations"
    """What answers it: analyses of conversations, summaries, or both."""

    def read(self, value: object) -> FieldValue:
        """The value as it is stored. Raises ValueError, which says what is wrong and never repeats the value."""
        if value is not None:
            return self._read(value)
        if self.required:
            raise ValueError("must not be null")
        return None

    @abstractmethod
    def _read(self, value: object) -> FieldValue: ...

    @abstractmethod
    def filed_under(self, value: FieldValue) -> Sequence[str]:
        """The values under which an insight with this value is found and counted."""

    def is_same(self, one: FieldValue, other: FieldValue) -> bool:
        """Whether two values say the same."""
        return one == other

    @property
    def possible(self) -> Sequence[str]:
        """All values under which insights can be filed."""
        return ()

    @property
    @abstractmethod
    def details(self) -> Mapping[str, object]:
        """What this kind has of its own, as JSON."""

    @property
    def definition(self) -> dict[str, object]:
        """Everything that says what a value means, as JSON."""
        same: dict[str, object] = {"name": self.name, "type": self.type, "meaning": self.meaning}
        return {**same, "of": self.of, "required": self.required, **self.details}


@dataclass(frozen=True, kw_only=True)
class EnumField(Field):
    """One of some values, each with its meaning."""

    type: ClassVar[str] = "enum"
    values: Mapping[str, str]
    words: Mapping[str, Sequence[str]]
    """Words of a value, by which the offline analyzer answers."""

    def _read(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError("must be a string")
        if value not in self.values:
            raise ValueError(f"must be one of {', '.join(self.values)}")
        return value

    def filed_under(self, value: FieldValue) -> Sequence[str]:
        return (value,) if isinstance(value, str) else ()

    @property
    def possible(self) -> Sequence[str]:
        return [*self.values]

    @property
    def details(self) -> Mapping[str, object]:
        return {"values": dict(self.values)}


@dataclass(frozen=True, kw_only=True)
class BooleanField(Field):
    """True or false."""

    type: ClassVar[str] = "boolean"
    words: Mapping[str, Sequence[str]]
    """Words of `true` and `false`, by which the offline analyzer answers."""

    def _read(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise ValueError("must be true or false")
        return value

    def filed_under(self, value: FieldValue) -> Sequence[str]:
        return (("false", "true")[value],) if isinstance(value, bool) else ()

    @property
    def possible(self) -> Sequence[str]:
        return ("false", "true")

    @property
    def details(self) -> Mapping[str, object]:
        return {}


@dataclass(frozen=True, kw_only=True)
class NumberField(Field):
    """A number within bounds, both of which it may be."""

    type: ClassVar[str] = "number"
    minimum: float = -FARTHEST
    maximum: float = FARTHEST
    unit: str | None = None

    def _read(self, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError("must be a number")
        if not self.minimum <= value <= self.maximum:  # false for NaN too
            raise ValueError(f"is outside [{self.minimum:.15g}, {self.maximum:.15g}]")
        return int(value) if float(value).is_integer() else float(value)

    def filed_under(self, value: FieldValue) -> Sequence[str]:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return (number_bin(value),) if number and isinstance(value, int | float) else ()

    @property
    def possible(self) -> Sequence[str]:
        return bins_between(self.minimum, self.maximum)

    @property
    def details(self) -> Mapping[str, object]:
        return {"minimum": self.minimum, "maximum": self.maximum, "unit": self.unit}


@dataclass(frozen=True, kw_only=True)
class TextField(Field):
    """A short text. It is in no filter: it may be anything."""

    type: ClassVar[str] = "text"
    max_length: int = LONGEST_TEXT

    def _read(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError("must be a string")
        text = storable(value.strip())
        if not text:
            raise ValueError("must not be empty; null says that there is none")
        if len(text) > self.max_length:
            raise ValueError(f"has more than {self.max_length} characters")
        return text

    def filed_under(self, value: FieldValue) -> Sequence[str]:
        return ()

    @property
    def details(self) -> Mapping[str, object]:
        return {"max_length": self.max_length}


@dataclass(frozen=True, kw_only=True)
class ListField(Field):
    """Several of some values, each once."""

    type: ClassVar[str] = "list"
    values: Mapping[str, str]
    words: Mapping[str, Sequence[str]]
    max_items: int

    def _read(self, value: object) -> Sequence[str]:
        if not isinstance(value, list):
            raise ValueError("must be a list")
        items = [*dict.fromkeys(each for each in value if isinstance(each, str))]
        if len(items) < len(value) and any(not isinstance(each, str) for each in value):
            raise ValueError("must be a list of strings")
        if any(each not in self.values for each in items):
            raise ValueError(f"has an item that is not one of {', '.join(self.values)}")
        if len(items) > self.max_items:
            raise ValueError(f"has more than {self.max_items} items")
        if self.required and not items:
            raise ValueError("must not be empty")
        return items

    def filed_under(self, value: FieldValue) -> Sequence[str]:
        return () if value is None or isinstance(value, str | int | float) else tuple(value)

    def is_same(self, one: FieldValue, other: FieldValue) -> bool:
        return {*self.filed_under(one)} == {*self.filed_under(other)} and (one is None) == (other is None)

    @property
    def possible(self) -> Sequence[str]:
        return [*self.values]

    @property
    def details(self) -> Mapping[str, object]:
        return {"values": dict(self.values), "max_items": self.max_items}


# --- numbers ------------------------------------------------------------------------------------------------

EDGES = tuple(digit * 10.0**power for power in range(-2, 12) for digit in (1, 2, 5))
"""Where bins of numbers begin: 0.01, 0.02, 0.05, 0.1 and so on; those of negative ones lie as in a mirror."""
BIN = "#"
"""Begins the name of a bin. No value of an enum begins so."""


def number_bin(number: float) -> str:
    """The name of the bin of a number. The bins are the same for all fields and all versions of them."""
    place = bisect_right(EDGES, abs(number))
    return f"{BIN}{place if number > 0 else -place}"


def bins_between(minimum: float, maximum: float) -> Sequence[str]:
    """The names of the bins that a range has a part in, from the lowest."""
    first, last = (int(number_bin(number).removeprefix(BIN)) for number in (minimum, maximum))
    return [f"{BIN}{place}" for place in range(first, last + 1)]


def bin_bounds(name: str) -> tuple[float, float]:
    """The bounds of a bin. The one that is nearer to 0 belongs to it, of the bin around 0 neither does."""
    place = int(name.removeprefix(BIN))
    if place == 0:
        return -EDGES[0], EDGES[0]
    near = EDGES[abs(place) - 1]
    far = EDGES[abs(place)] if abs(place) < len(EDGES) else math.inf
    return (near, far) if place > 0 else (-far, -near)


def bin_label(name: str) -> str:
    """A bin as people read it: a bracket stands at the bound that belongs to it."""
    low, high = bin_bounds(name)
    opening, closing = ("[", ")") if low > 0 else ("(", "]") if high < 0 else ("(", ")")
    return f"{opening}{low:.15g}, {high:.15g}{closing}"
