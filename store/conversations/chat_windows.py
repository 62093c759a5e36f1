"""Windows of time over chats: whom they touch, and who lies inside."""

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
    """From `start` to before `end`, UTC microseconds or what stands for them; an end that is None is open."""

    start: int | ColumnElement[int] | None
    end: int | ColumnElement[int] | None

    def holds(self, moment: ColumnElement[int]) -> Conditions:
        """Whether that moment lies in it."""
        bounds = [] if self.start is None else [moment >= self.start]
        return bounds if self.end is None else [*bounds, moment < self.end]

    def holds_whole(self) -> ColumnElement[bool]:
        """Whether everything in a dialogue was said in it."""
        c = conversations.c
        return and_(*self.holds(c.said_from), *self.holds(c.said_until))

    def touches(self) -> Conditions:
        """Whether a dialogue begins before its end and ends after its start."""
        c = conversations.c
        begins = [] if self.end is None else [c.said_from < self.end]
        return begins if self.start is None else [*begins, c.said_until >= self.start]

    def touching(self) -> Sequence[Sequence[ColumnElement[bool] | TextClause]]:
        """The same in parts that exclude each other, each with an index of its own.

        Nothing tells how long ago a dialogue can have begun that lasts into the window: by one index of them all,
        every older one was looked at, 10 ms of a hundred thousand that take 0.2 for a day and 3 for thirty.
        """
        c = conversations.c
        if self.start is None:
            return [[c.said_from.is_not(None), *self.touches()]]
        near = self.start - LONG
        return [[c.said_from > near, *self.touches()], [IS_LONG, c.said_from <= near, *self.touches()]]


def find_in_window(
    connection: Connection, start: int | None, end: int | None
) -> tuple[Sequence[int], Sequence[int]]:
    """The numbers of the chats that lie in a window, and of those that do in part."""
    of_postgresql = connection.dialect.name == "postgresql"
    statement = _find_in_window(start is not None, end is not None, as_arrays=of_postgresql)
    whole, partly = connection.execute(statement, {"start": start, "end": end}).one()
    if of_postgresql:
        return whole or (), partly or ()
    return _numbers(whole), _numbers(partly)


def _numbers(joined: str | None) -> Sequence[int]:
    numbers: list[int] = from_json(f"[{joined}]") if joined else []
    return numbers


@cache
def _find_in_window(has_start: bool, has_end: bool, *, as_arrays: bool) -> Select[Any]:
    """The statement; to put it together takes longer than to find a day's chats.

    Both kinds of numbers as one value each: as 7,500 rows they took 19 ms, and so 3.
    """
    c = conversations.c
    start, end = (bindparam(name, type_=BigInteger) for name in ("start", "end"))
    window = ChatWindow(start if has_start else None, end if has_end else None)
    inside = window.holds_whole().label("inside")
    chats = [select(c.number, inside).where(*part) for part in window.touching()]
    texts = select(c.number, literal(True)).where(IS_TEXT, *window.holds(c.timestamp))
    touching = union_all(*chats, texts).subquery("touching").c
    together = func.array_agg(touching.number) if as_arrays else func.group_concat(touching.number)
    return select(together.filter(touching.inside), together.filter(~touching.inside))
