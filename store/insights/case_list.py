"""Lists of chats with their summaries, newest first, and how many there are of each outcome.

Without a topic or a person, counts are those of the roll-up and a page is read along an index. With a person, the
summaries of the person's conversations are looked up. With a topic, counts are those of its roll-up, but for a union;
for a page the summaries of its insights in the window are looked up, or all of the window, whichever are fewer.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, select

from domain.buckets import EDGE, Span, cover
from models import ALL_TOPICS, FIRST_UNION, conversations, insights, summaries
from store.engine.prepared import Prepared, among
from store.engine.vault import vault_of
from store.insights.case_filing import LEVELS
from store.insights.case_statements import COUNT, COUNT_BUCKETS, COUNT_TOPIC, LIST, Along, Way
from store.insights.participants import Participant, author_of_text, participants_of
from store.insights.shown import shown_clusters
from store.insights.topic_cases import OUTCOMES, TOPIC_LEVELS
from store.insights.unions import single_topics
from store.insights.windows import Selection, count_insights

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
    found: Counter[str] = Counter(dict.fromkeys(OUTCOMES, 0))
    for outcome, is_open, n in _counting_of(chosen)(connection, chosen):
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


def _counting_of(chosen: CaseSelection) -> Callable[[Connection, CaseSelection], Iterable[Sequence[Any]]]:
    if chosen.person is not None or chosen.topic >= FIRST_UNION:
        return _counted_one_by_one
    return _counted_in_buckets if chosen.topic == ALL_TOPICS else _counted_of_topic


def way_of(connection: Connection, chosen: CaseSelection) -> Way:
    """How the chosen summaries are found with the fewest looks."""
    has_topic = chosen.topic != ALL_TOPICS
    if chosen.person is not None:
        return Way(Along.PERSON, has_topic)
    if not has_topic:
        return Way(Along.WINDOW, False)
    of_topic = count_insights(connection, chosen.topic, Selection(chosen.start, chosen.end))
    in_window = sum(int(row[2]) for row in _counted_in_buckets(connection, chosen))
    return Way(Along.TOPIC, False) if of_topic < in_window else Way(Along.WINDOW, True)


def _moments(
    connection: Connection, chosen: CaseSelection, limit: int, after: Moment | None
) -> Iterator[Moment]:
    at, number = after or (chosen.end, 0)
    page = {"at": at, "number": number, "limit": limit}
    way = way_of(connection, chosen)
    for given in _runs(connection, chosen, way, chosen.kinds):
        yield from ((row[0], row[1]) for row in LIST[way].rows(connection, given | page))


def _runs(
    connection: Connection, chosen: CaseSelection, way: Way, kinds: Iterable[Kind]
) -> Iterator[dict[str, Any]]:
    """The parameters of each run: one for each kind along the window, where the index has them apart."""
    given, kinds = _parameters(connection, chosen), [*kinds]
    if way.along is Along.WINDOW:
        yield from (given | {"outcome": outcome, "is_open": is_open} for outcome, is_open in kinds)
    elif kinds:
        outcomes, opens = (sorted({*each}) for each in zip(*kinds, strict=True))
        yield given | {"outcomes": outcomes, "opens": opens}


def _parameters(connection: Connection, chosen: CaseSelection) -> dict[str, Any]:
    names = () if chosen.person is None else vault_of(connection).authors(chosen.person)
    topics = {"topics": single_topics(connection, chosen.topic)}
    return {"start": chosen.start, "end": chosen.end, "names": [*names]} | topics


def _counted_one_by_one(connection: Connection, chosen: CaseSelection) -> Sequence[Sequence[Any]]:
    way = way_of(connection, chosen)
    every = replace(chosen, outcome=None).kinds
    runs = _runs(connection, chosen, way, every)
    return [row for given in runs for row in COUNT[way].rows(connection, given)]


def _counted_in_buckets(connection: Connection, chosen: CaseSelection) -> Sequence[Sequence[Any]]:
    spans = cover(chosen.start, chosen.end, LEVELS)
    given: dict[str, Any] = {}
    edges = [span for span in spans if span.level == EDGE] + [Span(EDGE, 0, 0)] * 2
    for place, edge in enumerate(edges[:2]):
        given |= {f"first_{place}": edge.first, f"end_{place}": edge.end, f"sign_{place}": edge.sign}
    return COUNT_BUCKETS.rows(connection, given | _buckets(spans, LEVELS))


def _counted_of_topic(connection: Connection, chosen: CaseSelection) -> Iterator[Sequence[Any]]:
    """By whole days and months; what is left at the edges, less than a day each, one by one."""
    spans = cover(chosen.start, chosen.end, TOPIC_LEVELS)
    whole = _buckets(spans, TOPIC_LEVELS)
    yield from COUNT_TOPIC.rows(connection, {"topic": chosen.topic, **whole})
    for edge in spans:
        if edge.level == EDGE:
            within = replace(chosen, start=edge.first, end=edge.end)
            for outcome, is_open, n in _counted_one_by_one(connection, within):
                yield outcome, is_open, n * edge.sign


def _buckets(spans: Sequence[Span], levels: Iterable[int]) -> dict[str, list[int]]:
    """The buckets of each level that are added, and those that are subtracted, as parameters of a statement."""
    return {
        f"buckets_{level}_{sign}": [
            bucket
            for span in spans
            if (span.level, span.sign) == (level, sign)
            for bucket in range(span.first, span.end)
        ]
        for level in levels
        for sign in (1, -1)
    }


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

LOAD = select(
    *(_c[name] for name in ("number", "id", "author", "sealed_author", "timestamp", "is_chat", "revision"))
).where(_c.number.in_(bindparam("numbers", expanding=True)))
MADE = Prepared(
    select(insights.c.conversation, insights.c.clusters).where(among(insights.c.conversation, "numbers"))
)
LOAD_SUMMARIES = select(summaries).where(_s.conversation.in_(bindparam("numbers", expanding=True)))
