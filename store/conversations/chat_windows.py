"""Time windows over chats: which chats overlap a window, and which lie inside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic_core import from_json
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    TextClause,
    and_,
    bindparam,
    func,
    literal,
    select,
    union_all,
)

from models import IS_LONG, IS_TEXT, LONG, conversations

Conditions = Sequence[ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class ChatWindow:
    """The window `[start, end)` in UTC microseconds or parameters for them; None means no bound."""

    start: int | ColumnElement[int] | None
    end: int | ColumnElement[int] | None

    def contains(self, moment: ColumnElement[int]) -> Conditions:
        """Whether the moment is in the window."""
        bounds = [] if self.start is None else [moment >= self.start]
        return bounds if self.end is None else [*bounds, moment < self.end]

    def contains_chat(self) -> ColumnElement[bool]:
        """Whether all messages of a chat are in the window."""
        c = conversations.c
        return and_(*self.contains(c.said_from), *self.contains(c.said_until))

    def overlaps(self) -> Conditions:
        """Whether a chat begins before the window's end and ends after its start."""
        c = conversations.c
        begins = [] if self.end is None else [c.said_from < self.end]
        return begins if self.start is None else [*begins, c.said_until >= self.start]

    def overlap_parts(self) -> Sequence[Sequence[ColumnElement[bool] | TextClause]]:
        """`overlaps` in disjoint parts, each with its own index.

        A chat that lasts into the window may have begun at any time before it. With one index over all chats every
        older chat was read: 10 ms for a hundred thousand chats; this way a day takes 0.2 ms and thirty days 3 ms.
        """
        c = conversations.c
        if self.start is None:
            return [[c.said_from.is_not(None), *self.overlaps()]]
        near = self.start - LONG
        return [[c.said_from > near, *self.overlaps()], [IS_LONG, c.said_from <= near, *self.overlaps()]]


def find_in_window(
    connection: Connection, start: int | None, end: int | None
) -> tuple[Sequence[int], Sequence[int]]:
    """The numbers of the chats wholly in a window, and of those partly in it."""
    of_postgresql = connection.dialect.name == "postgresql"
    statement = _overlap_statement(start is not None, end is not None, as_arrays=of_postgresql)
    whole, partly = connection.execute(statement, {"start": start, "end": end}).one()
    if of_postgresql:
        return whole or (), partly or ()
    return _numbers(whole), _numbers(partly)


def _numbers(joined: str | None) -> Sequence[int]:
    numbers: list[int] = from_json(f"[{joined}]") if joined else []
    return numbers


@cache
def _overlap_statement(has_start: bool, has_end: bool, *, as_arrays: bool) -> Select[Any]:
    """Build the statement once: building it takes longer than finding a day's chats.

    It returns each list of numbers as one value: 7,500 rows took 19 ms, the two values take 3.
    """
    c = conversations.c
    start, end = (bindparam(name, type_=BigInteger) for name in ("start", "end"))
    window = ChatWindow(start if has_start else None, end if has_end else None)
    inside = window.contains_chat().label("inside")
    chats = [select(c.number, inside).where(*part) for part in window.overlap_parts()]
    texts = select(c.number, literal(True)).where(IS_TEXT, *window.contains(c.timestamp))
    overlapping = union_all(*chats, texts).subquery("overlapping").c
    together = func.array_agg(overlapping.number) if as_arrays else func.group_concat(overlapping.number)
    return select(together.filter(overlapping.inside), together.filter(~overlapping.inside))
