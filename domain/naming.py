"""Groups of conversations that a model is asked to name, and the names that it gives."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from domain.analysis import BeforeSend, Envelope, Usage

MAX_LABEL, MAX_DESCRIPTION = 60, 300


class Nameless(NamedTuple):
    """What a model is shown of a group: its distinguishing words, and some of its texts."""

    words: Sequence[str]
    examples: Sequence[str]


class GroupName(NamedTuple):
    """What a topic could be called, and what it is about."""

    label: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NamesGiven(Envelope):
    """A completed call: a name for each group, in their order; None where the model gave none."""

    names: Sequence[GroupName | None]


@runtime_checkable
class Namer(Protocol):
    """An analyzer that also names groups."""

    async def name_groups(self, groups: Sequence[Nameless], before_send: BeforeSend) -> NamesGiven:
        """Name them in one call; `before_send` is awaited before the request is sent. Raises CallFailed."""
        ...

    def worst_naming(self, groups: Sequence[Nameless]) -> Usage:
        """The most that a call for these names can consume, apart from reasoning."""
        ...
