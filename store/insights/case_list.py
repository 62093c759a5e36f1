"""Lists of chats with their summaries, newest first, and how many there are of each outcome.

Without a topic or a person, counts are those of the roll-up and a page is read along an index. With one, the summaries
of the window are looked through.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Connection,
    Select,
    String,
    bindparam,
    exists,
    func,
    literal_column,
    select,
    tuple_,
    union_all,
)

from domain.buckets import EDGE, HOUR, MONTH, Span, cover
from models import (
    ALL_TOPICS,
    IS_TEXT,
    case_counts,
    conversations,
    insight_topics,
    insights,
    participants,
    summaries,
)
from store.engine.prepared import Prepared, among
from store.engine.vault import vault_of
from store.insights.case_filing import LEVELS, OUTCOMES
from store.insights.participants import Participant, author_of_text, participants_of
from store.insights.shown import shown_clusters
from store.insights.unions import single_topics

_c, _s = conversations.c, summaries.c
Moment = tuple[int, int]
"""By what the list is ordered: the timestamp and the intake number of a conversation."""
Kind = tuple[str, int]
"""An outcome, and whether a question is open."""


@dataclass(frozen=True, slots=True)
class CaseSelection:
    """Chats whose conversations were said in `[start, end)` (UTC microseconds) and have a summary like this."""

    start: int
    end: int
    outcome: str | None = None
    has_open_questions: bool | None = None
    topic: int = ALL_TOPICS
    """The number that a topic of the conversation's insight is counted under."""
    person: str | None = None
    """Who wrote in it."""

    @property
    def kinds(self) -> Iterator[Kind]:
        """What is listed."""
        for outcome in OUTCOMES:
            for is_open in (0, 1):
                if self.outcome in (None, outcome) and self.has_open_questions in (None, bool(is_open)):
                    yield outcome, is_open


class ListedCase(NamedTuple):
    """A chat with its summary, rows of those tables."""

    conversation: Any
    summary: Any
    participants: Sequence[Participant]
    topics: Sequence[str]


@dataclass(frozen=True, slots=True)
class CasePage:
    """A page of chats; `next` is where the next page begins, if there is one."""

    cases: Sequence[ListedCase]
    next: Moment | None


def count_cases(connection: Connection, chosen: CaseSelection) -> dict[str, int]:
    """How many chats there are of each outcome, whatever outcome is asked for."""
    by_kind = _counted_one_by_one if _is_narrowed(chosen) else _counted_in_buckets
    found: Counter[str] = Counter(dict.fromkeys(OUTCOMES, 0))
    for outcome, is_open, n in by_kind(connection, chosen):
        if chosen.has_open_questions in (None, bool(is_open)):
            found[outcome] += int(n)
    return {outcome: found[outcome] for outcome in OUTCOMES}


def list_cases(
    connection: Connection, chosen: CaseSelection, *, limit: int, after: Moment | None = None
) -> CasePage:
    """Up to `limit` chats after a moment, the newest first."""
    found = sorted(_moments(connection, chosen, limit + 1, after), reverse=True)[: limit + 1]
    shown = found[:limit]
    listed = _load(connection, [number for _, number in shown])
    return CasePage(listed, shown[-1] if len(found) > limit else None)


def _is_narrowed(chosen: CaseSelection) -> bool:
    return chosen.topic != ALL_TOPICS or chosen.person is not None


def _moments(
    connection: Connection, chosen: CaseSelection, limit: int, after: Moment | None
) -> Iterator[Moment]:
    at, number = after or (chosen.end, 0)
    statement = LIST[chosen.topic != ALL_TOPICS, chosen.person is not None]
    for outcome, is_open in chosen.kinds:
        given = _parameters(connection, chosen) | {"outcome": outcome, "is_open": is_open}
        page = {"at": at, "number": number, "limit": limit}
        yield from ((row[0], row[1]) for row in statement.rows(connection, given | page))


def _parameters(connection: Connection, chosen: CaseSelection) -> dict[str, Any]:
    names = () if chosen.person is None else vault_of(connection).authors(chosen.person)
    topics = {"topics": single_topics(connection, chosen.topic)}
    return {"start": chosen.start, "end": chosen.end, "names": [*names]} | topics


def _counted_one_by_one(connection: Connection, chosen: CaseSelection) -> Sequence[Sequence[Any]]:
    statement = COUNT[chosen.topic != ALL_TOPICS, chosen.person is not None]
    return [
        row
        for outcome in OUTCOMES
        for row in statement.rows(connection, _parameters(connection, chosen) | {"outcome": outcome})
    ]


def _counted_in_buckets(connection: Connection, chosen: CaseSelection) -> Sequence[Sequence[Any]]:
    spans = cover(chosen.start, chosen.end, LEVELS)
    given: dict[str, Any] = {}
    edges = [span for span in spans if span.level == EDGE] + [Span(EDGE, 0, 0)] * 2
    for place, edge in enumerate(edges[:2]):
        given |= {f"first_{place}": edge.first, f"end_{place}": edge.end, f"sign_{place}": edge.sign}
    for level in range(HOUR, MONTH + 1):
        for sign in (1, -1):
            of_level = [span for span in spans if (span.level, span.sign) == (level, sign)]
            buckets = [bucket for span in of_level for bucket in range(span.first, span.end)]
            given[f"buckets_{level}_{sign}"] = buckets
    return COUNT_BUCKETS.rows(connection, given)


def _load(connection: Connection, numbers: Sequence[int]) -> list[ListedCase]:
    vault = vault_of(connection)
    found = connection.execute(LOAD, {"numbers": [*numbers]}).all()
    made = connection.execute(LOAD_SUMMARIES, {"numbers": [*numbers]}).all()
    written = {row.conversation: row for row in made}
    rows = {row.number: vault.opened(conversations, row) for row in found}
    topics = _topics(connection, numbers)
    names = participants_of(connection, [row.number for row in found if row.is_chat])
    return [
        ListedCase(
            rows[number],
            vault.opened(summaries, written[number]),
            names[number] if rows[number].is_chat else author_of_text(rows[number].author),
            topics.get(number, ()),
        )
        for number in numbers
    ]


def _topics(connection: Connection, numbers: Sequence[int]) -> Mapping[int, Sequence[str]]:
    made = MADE.rows(connection, {"numbers": [*numbers]})
    shown = shown_clusters(connection, [clusters for _, clusters in made])
    return {row[0]: slugs for row, slugs in zip(made, shown, strict=True)}


# --- statements ---------------------------------------------------------------------------------------------


def _narrowing(topic: bool, person: bool) -> Iterator[ColumnElement[bool]]:
    if topic:
        f = insight_topics.c
        same = (f.timestamp == _s.timestamp) & (f.conversation == _s.conversation)
        yield exists().where(among(f.topic, "topics"), same)
    if person:
        p = participants.c
        chat = exists().where(p.conversation == _s.conversation, among(p.author, "names", String))
        text = exists().where(_c.number == _s.conversation, IS_TEXT, among(_c.author, "names", String))
        yield chat | text


def _window() -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return _s.timestamp >= bindparam("start"), _s.timestamp < bindparam("end")


def _listing(topic: bool, person: bool) -> Select[Any]:
    place = (_s.timestamp, _s.conversation)
    kind = _s.outcome == bindparam("outcome"), _s.has_open_questions == bindparam("is_open")
    beyond = tuple_(*place) < tuple_(bindparam("at", type_=BigInteger), bindparam("number", type_=BigInteger))
    found = select(*place).where(*kind, *_window(), beyond, *_narrowing(topic, person))
    return found.order_by(*(column.desc() for column in place)).limit(bindparam("limit"))


def _counting(topic: bool, person: bool) -> Select[Any]:
    kind = _s.outcome, _s.has_open_questions
    of_outcome = _s.outcome == bindparam("outcome"), _s.has_open_questions >= literal_column("0")
    found = select(*kind, func.count()).where(*of_outcome, *_window(), *_narrowing(topic, person))
    return found.group_by(*kind)


def _counting_buckets() -> CompoundSelect[Any]:
    n, kinds = case_counts.c, ("outcome", "has_open_questions")
    whole = (
        select(n.outcome, n.has_open_questions, n.n * literal_column(str(sign))).where(
            n.level == literal_column(str(level)), among(n.bucket, f"buckets_{level}_{sign}")
        )
        for level in LEVELS
        for sign in (1, -1)
    )
    edges = (
        select(*(_s[name] for name in kinds), bindparam(f"sign_{place}", type_=BigInteger)).where(
            _s.outcome == literal_column(f"'{outcome}'"),
            _s.has_open_questions == literal_column(str(is_open)),
            _s.timestamp >= bindparam(f"first_{place}"),
            _s.timestamp < bindparam(f"end_{place}"),
        )
        for place in (0, 1)
        for outcome in OUTCOMES
        for is_open in (0, 1)
    )
    return union_all(*whole, *edges)


BOTH = (False, True)
LIST = {(topic, person): Prepared(_listing(topic, person)) for topic in BOTH for person in BOTH}
COUNT = {(topic, person): Prepared(_counting(topic, person)) for topic in BOTH for person in BOTH}
COUNT_BUCKETS = Prepared(_counting_buckets())
LOAD = select(
    *(_c[name] for name in ("number", "id", "author", "sealed_author", "timestamp", "is_chat", "revision"))
).where(_c.number.in_(bindparam("numbers", expanding=True)))
MADE = Prepared(
    select(insights.c.conversation, insights.c.clusters).where(among(insights.c.conversation, "numbers"))
)
LOAD_SUMMARIES = select(summaries).where(_s.conversation.in_(bindparam("numbers", expanding=True)))
