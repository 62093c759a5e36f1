"""Long chats in parts: how much goes into one call, and where a chat is cut."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, Protocol, TypeVar

from llm.prompts import json_text

BYTES_PER_TOKEN = 3
"""English has about four; three makes room for names, links and other scripts."""
TOKENS_PER_CALL = 60_000
"""Of a user message: under a third of where Grok's price doubles (200,000 tokens).

Its longest message (20,000 characters, each escaped to six bytes) fits, and so do two of the longest answers,
or merging would not come to an end.
"""
ENVELOPE = 32
"""Tokens of the document around what is packed."""


class Documented(Protocol):
    """What has a form in JSON."""

    @property
    def document(self) -> dict[str, object]:
        """The form."""
        ...


Each = TypeVar("Each", bound=Documented)


def tokens(text: str) -> int:
    """About how many tokens a text has, rather too many than too few."""
    return math.ceil(len(text.encode("utf-8", "replace")) / BYTES_PER_TOKEN)


def weight(each: Documented) -> int:
    """About how many tokens it takes in a user message."""
    return tokens(json_text(each.document) + ",")


class Packer(Generic[Each]):
    """Cuts a sequence, as it comes, into groups that fit into a call: each in exactly one, in order.

    A group is closed by the first that does not fit any more, so what is appended later changes only the last.
    """

    def __init__(self, room: int = TOKENS_PER_CALL - ENVELOPE, weigh: Callable[[Each], int] = weight) -> None:
        """`room` is in tokens, as `weigh` gives them."""
        self._room = room
        self._weigh = weigh
        self._group: list[Each] = []
        self._load = 0

    def add(self, items: Iterable[Each]) -> Iterator[list[Each]]:
        """Take more items; gives the groups that they fill."""
        for item in items:
            load = self._weigh(item)
            if self._group and self._load + load > self._room:
                yield self._group
                self._group, self._load = [], 0
            self._group.append(item)
            self._load += load

    def rest(self) -> list[Each]:
        """The last group, of at least one item unless there was none at all."""
        return self._group


def groups(items: Iterable[Each], packer: Packer[Each]) -> list[list[Each]]:
    """All of a sequence in groups."""
    return [*packer.add(items), *([rest] if (rest := packer.rest()) else [])]
