"""Which conversations a re-analysis is about: counted, drawn at random, or written down some at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    Table,
    delete,
    exists,
    func,
    literal,
    select,
    tuple_,
)

from core.clock import END, EPOCH, MICROSECOND
from domain.reanalysis import MARKS, SEED
from models import COMPLETED, QUEUED, conversations, insight_topics, insights, reanalysis_items
from store.engine.dialect import insert_on_conflict
from store.insights.unions import single_topics
from store.insights.windows import topic_number

BLOCK = 2_000
"""Conversations of the window that one step looks at. SQLite has one writer, which a step holds for some 20 ms."""
_c, _i, _t, _item = conversations.c, insights.c, insight_topics.c, reanalysis_items.c
ALWAYS = 0, (END - EPOCH) // MICROSECOND
"""All times, as start and end."""


@dataclass(frozen=True, slots=True)
class ReanalysisChoice:
    """Conversations by their timestamps in `[start, end)`, UTC microseconds, and by filters; None matches all."""

    start: int
    end: int
    wanted: str = COMPLETED
    """Their status."""
    analyzer: str | None = None
    model: str | None = None
    prompt_version: str | None = None
    cluster: str | None = None
    sentiment: int | None = None
    max_confidence: int | None = None
    """Percent."""
    lacking_fields: str | None = None
    """Those without answers to this version of the operator's fields."""

    @property
    def table(self) -> Table:
        """Where they are looked for."""
        return insights if self.wanted == COMPLETED else conversations

    @property
    def place(self) -> tuple[ColumnElement[Any], ...]:
        """What they are ordered by, along an index of the table. The last part is the intake number."""
        return (_i.timestamp, _i.conversation) if self.wanted == COMPLETED else (_c.number,)

    def conditions(self, connection: Connection) -> list[ColumnElement[bool]]:
        """What they have to match."""
        times = self.table.c.timestamp
        found = [times >= self.start, times < self.end]
        if self.wanted != COMPLETED:
            return [*found, _c.status == self.wanted]
        own = ("analyzer", "model", "prompt_version", "sentiment")
        found += [_i[name] == getattr(self, name) for name in own if getattr(self, name) is not None]
        if self.max_confidence is not None:
            found.append(_i.confidence <= self.max_confidence)
        if self.lacking_fields is not None:
            found.append(_i.fields_version.is_distinct_from(self.lacking_fields))
        return found if self.cluster is None else [*found, self._has_topic(connection, self.cluster)]

    def _has_topic(self, connection: Connection, cluster: str) -> ColumnElement[bool]:
        topic = topic_number(connection, cluster)
        numbers = () if topic is None else single_topics(connection, topic)
        this = _t.timestamp == _i.timestamp, _t.conversation == _i.conversation
        return exists().where(_t.topic.in_(numbers), *this)


def choice_of(parameters: Mapping[str, Any]) -> ReanalysisChoice:
    """The choice as a job keeps it."""
    return ReanalysisChoice(**parameters["choice"])


def count_chosen(connection: Connection, choice: ReanalysisChoice) -> int:
    """How many conversations there are to choose."""
    found = select(func.count()).select_from(choice.table).where(*choice.conditions(connection))
    return connection.scalar(found) or 0


class Drawn(NamedTuple):
    """A conversation by its intake number, as it was when it was chosen."""

    number: int
    revision: int


def draw_at_random(connection: Connection, choice: ReanalysisChoice, size: int) -> list[Drawn]:
    """Up to `size` of them at random; always the same, so that whoever asks twice is shown the same."""
    number = choice.place[-1]
    rows = _chosen(connection, choice).order_by(_mark(number), number).limit(size)
    return [Drawn(*row) for row in connection.execute(rows)]


def _chosen(connection: Connection, choice: ReanalysisChoice) -> Select[Any]:
    found = select(choice.place[-1], choice.table.c.revision)
    return found.where(*choice.conditions(connection))


def _mark(number: ColumnElement[Any]) -> ColumnElement[Any]:
    """As `domain.reanalysis.sample_mark` has it, in SQL."""
    base = (number + literal(SEED, BigInteger)) % MARKS
    return (((base * base) % MARKS) * base) % MARKS


class ChosenPart(NamedTuple):
    """What a step has written down; `next` is where the next one begins, if there is more."""

    number: int
    next: Sequence[int] | None


def choose_some(
    connection: Connection,
    choice: ReanalysisChoice,
    *,
    job: int,
    after: Sequence[int] | None,
    now: int,
    freshness: str | None = None,
    block: int = BLOCK,
) -> ChosenPart:
    """Write down those among the next `block` of the window, for the job of this number."""
    end = _end_of_block(connection, choice, after, block)
    within = _after(choice, after) if end is None else [*_after(choice, after), _place(choice) <= _at(end)]
    rows = _chosen(connection, choice).where(*within)
    return ChosenPart(_write_down(connection, rows, job, now, freshness), end)


def choose_drawn(
    connection: Connection, drawn: Sequence[Drawn], *, job: int, now: int, freshness: str | None = None
) -> int:
    """Write down what was drawn, as far as it is still as it was; gives how many these are."""
    these = tuple_(_c.number, _c.revision).in_([(each.number, each.revision) for each in drawn])
    return _write_down(connection, select(_c.number, _c.revision).where(these), job, now, freshness)


def _write_down(connection: Connection, rows: Select[Any], job: int, now: int, freshness: str | None) -> int:
    new = {"job": job, "status": QUEUED, "run_at": now, "freshness": freshness}
    types = {name: reanalysis_items.c[name].type for name in new}
    chosen = rows.add_columns(*(literal(value, types[name]).label(name) for name, value in new.items()))
    statement = insert_on_conflict(connection.dialect.name, reanalysis_items)
    filled = statement.from_select(["conversation", "revision", *new], chosen)
    # What is there is left over from a job that has ended.
    anew = {"revision": filled.excluded.revision, **new}
    anew |= {"lease": None, "failures": 0, "pack_limit": None, "change": None}
    return int(
        connection.execute(
            filled.on_conflict_do_update(index_elements=[_item.conversation], set_=anew)
        ).rowcount
    )


def _end_of_block(
    connection: Connection, choice: ReanalysisChoice, after: Sequence[int] | None, block: int
) -> Sequence[int] | None:
    """The place of the last of the next `block`, whatever the filters say; None if fewer are left."""
    times = choice.table.c.timestamp
    within = [times >= choice.start, times < choice.end]
    if choice.wanted != COMPLETED:
        within = [_c.status == choice.wanted]
    rows = select(*choice.place).where(*within, *_after(choice, after)).order_by(*choice.place)
    found = connection.execute(rows.offset(block - 1).limit(1)).one_or_none()
    return None if found is None else [*found]


def _after(choice: ReanalysisChoice, after: Sequence[int] | None) -> list[ColumnElement[bool]]:
    return [] if after is None else [_place(choice) > _at(after)]


def _place(choice: ReanalysisChoice) -> Any:
    return tuple_(*choice.place) if len(choice.place) > 1 else choice.place[0]


def _at(place: Sequence[int]) -> Any:
    parts = [literal(part, BigInteger) for part in place]
    return tuple_(*parts) if len(parts) > 1 else parts[0]


def forget_left_over(connection: Connection, *, job: int, limit: int = BLOCK) -> int:
    """Delete some of what other jobs have left over; gives how many these were."""
    old = select(_item.conversation).where(_item.job < job).order_by(_item.job, _item.conversation)
    gone = delete(reanalysis_items).where(_item.conversation.in_(old.limit(limit)))
    return connection.execute(gone).rowcount
