"""Windows of time over chats: whom they touch, and who lies inside."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, TextClause, and_

from models import IS_LONG, LONG, conversations

Conditions = Sequence[ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` to before `end`, UTC microseconds; an end that is None is open."""

    start: int | None
    end: int | None

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
