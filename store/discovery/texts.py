"""What a run of discovery reads: which conversations were said in its time, and what their customers wrote."""

from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, func, or_, select, tuple_

from core.errors import DoesNotOpen
from models import conversations, insight_topics, insights, messages, topic_names, topics
from store.engine.prepared import Prepared, among
from store.engine.vault import Vault, at, vault_of
from store.insights.writing import parse_clusters
from store.topics import catalogue

KEYS_AT_ONCE = 5_000
FIRST_TURNS = 10
"""Positions of a chat whose customer's messages are read: what a chat is about is said at its beginning."""
FIRST_WORDS = 1_200
"""Characters of them that are looked at."""
_i, _f, _m, _c = insights.c, insight_topics.c, messages.c, conversations.c


@dataclass(frozen=True, slots=True)
class GroupedBy:
    """Which insights a run groups. None: all of them. `cluster` is any name of a topic."""

    sentiment: int | None = None
    min_confidence: int | None = None
    max_confidence: int | None = None
    analyzer: str | None = None
    model: str | None = None
    cluster: str | None = None


class Spoken(NamedTuple):
    """What is known of a conversation: its number, its customer's author as stored, language, words, topics."""

    number: int
    author: str | None
    language: str
    text: str
    topics: Sequence[int]


def numbers_between(
    connection: Connection, chosen: GroupedBy, start: int, end: int, *, after: tuple[int, int] | None = None
) -> tuple["array[int]", tuple[int, int] | None]:
    """The first conversations with an insight in [start, end) after a place (time, number), and the next place."""
    found = select(_i.timestamp, _i.conversation).where(_i.timestamp >= start, _i.timestamp < end)
    if after is not None:
        found = found.where(tuple_(_i.timestamp, _i.conversation) > tuple_(*after))
    found = found.where(*_conditions(connection, chosen))
    rows = connection.execute(found.order_by(_i.timestamp, _i.conversation).limit(KEYS_AT_ONCE)).all()
    last = (rows[-1][0], rows[-1][1]) if len(rows) == KEYS_AT_ONCE else None
    return array("q", (row[1] for row in rows)), last


def _conditions(connection: Connection, chosen: GroupedBy) -> list[ColumnElement[bool]]:
    equal = {"sentiment": chosen.sentiment, "analyzer": chosen.analyzer, "model": chosen.model}
    conditions = [_i[name] == value for name, value in equal.items() if value is not None]
    if chosen.min_confidence is not None:
        conditions.append(_i.confidence >= chosen.min_confidence)
    if chosen.max_confidence is not None:
        conditions.append(_i.confidence <= chosen.max_confidence)
    if chosen.cluster is not None:
        conditions.append(_filed_under(connection, chosen.cluster))
    return conditions


def _filed_under(connection: Connection, cluster: str) -> ColumnElement[bool]:
    """That an insight has the topic of this name, or one that was merged into it."""
    number = catalogue.number_of(connection, cluster)
    merged = select(topics.c.number).where(or_(topics.c.number == number, topics.c.merged_into == number))
    same = (_f.timestamp == _i.timestamp) & (_f.conversation == _i.conversation)
    return select(_f.topic).where(_f.topic.in_(merged), same).exists()


def topics_by_name(connection: Connection) -> Mapping[str, int]:
    """The number of the topic that each name stands for: of the one that it was merged into, if it was."""
    number = func.coalesce(topics.c.merged_into, topics.c.number)
    named = select(topic_names.c.name, number).join_from(topic_names, topics)
    return dict(map(tuple, connection.execute(named)))


def slugs_of(connection: Connection, numbers: Collection[int]) -> Mapping[int, str]:
    """The slugs of topics by number."""
    found = select(topics.c.number, topics.c.slug).where(topics.c.number.in_(numbers))
    return dict(map(tuple, connection.execute(found)))


def spoken(connection: Connection, numbers: Sequence[int], names: Mapping[str, int]) -> list[Spoken]:
    """What is known of these conversations; `names` are the topics by name. Those that are gone are left out."""
    vault = vault_of(connection)
    found = []
    rows = map(_Turn._make, TEXTS.rows(connection, {"numbers": numbers}))
    for number, turns in groupby(rows, key=itemgetter(0)):
        said = [*turns]
        filed = dict.fromkeys(names[name] for name in parse_clusters(said[0].clusters) if name in names)
        author = next((turn.author for turn in said if turn.author is not None), said[0].writer)
        found.append(Spoken(number, author, said[0].language or "", _words(vault, said), [*filed]))
    return found


class _Turn(NamedTuple):
    number: int
    position: int
    author: str | None
    text: str
    writer: str | None
    clusters: str
    language: str | None


def _words(vault: Vault, turns: Iterable[_Turn]) -> str:
    """The customer's first words; without those that do not open."""
    words: list[str] = []
    for turn in turns:
        with suppress(DoesNotOpen):
            words.append(vault.open("messages.text", at(turn.number, turn.position), turn.text)[:FIRST_WORDS])
        if sum(map(len, words)) >= FIRST_WORDS:
            break
    return "\n".join(words)


def _texts() -> Select[Any]:
    customers = or_(_m.role.is_(None), _m.role == "customer")
    return (
        select(
            _c.number, _m.position, _m.author, _m.text, _c.author.label("writer"), _i.clusters, _i.language
        )
        .join_from(insights, conversations)
        .join(messages, (_m.conversation == _c.number) & (_m.position <= FIRST_TURNS + _c.erased) & customers)
        .where(among(_c.number, "numbers"))
        .order_by(_c.number, _m.position)
    )


TEXTS = Prepared(_texts())
