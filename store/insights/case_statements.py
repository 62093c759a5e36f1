"""The statements of lists of summaries: along the window, or along the conversations of a topic or a person."""

from enum import Enum, auto
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    FromClause,
    Select,
    SelectBase,
    String,
    bindparam,
    exists,
    func,
    literal_column,
    select,
    tuple_,
    union_all,
)

from models import (
    IS_TEXT,
    case_counts,
    conversations,
    insight_topics,
    participants,
    summaries,
    topic_case_counts,
)
from store.engine.prepared import Prepared, among
from store.insights.case_filing import LEVELS
from store.insights.topic_cases import OUTCOMES, TOPIC_LEVELS

_c, _s = conversations.c, summaries.c


class Along(Enum):
    """What is gone through: the summaries of the window, or the conversations of a topic or a person."""

    WINDOW, TOPIC, PERSON = auto(), auto(), auto()


class Way(NamedTuple):
    """How summaries are found: along what, and whether the topic of each is checked."""

    along: Along
    checks_topic: bool


class _Columns(NamedTuple):
    """The columns by which summaries are chosen."""

    outcome: ColumnElement[str]
    is_open: ColumnElement[int]
    timestamp: ColumnElement[int]


STORED = _Columns(_s.outcome, _s.has_open_questions, _s.timestamp)
# In a form that no index has, so that summaries are looked up by the conversations of the topic or person.
LOOKED_UP = _Columns(
    func.coalesce(_s.outcome, literal_column("''")),
    func.coalesce(_s.has_open_questions, literal_column("-1")),
    func.coalesce(_s.timestamp, literal_column("0")),
)


def _source(along: Along) -> tuple[FromClause, _Columns]:
    if along is Along.WINDOW:
        return summaries, STORED
    own = (_of_topic() if along is Along.TOPIC else _of_person()).subquery("own")
    return own.join(summaries, _s.conversation == own.c.conversation), LOOKED_UP


def _of_topic() -> SelectBase:
    f = insight_topics.c
    within = f.timestamp >= bindparam("start"), f.timestamp < bindparam("end")
    return select(f.conversation).where(among(f.topic, "topics"), *within).distinct()


def _of_person() -> SelectBase:
    p = participants.c
    chats = select(p.conversation).where(among(p.author, "names", String))
    texts = select(_c.number).where(IS_TEXT, among(_c.author, "names", String))
    return chats.union(texts)


def _chosen(way: Way) -> tuple[FromClause, list[ColumnElement[bool]]]:
    """Where summaries are found and what they have to match: one outcome along the window, otherwise any of several."""
    source, columns = _source(way.along)
    chosen = [columns.timestamp >= bindparam("start"), columns.timestamp < bindparam("end")]
    if way.along is Along.WINDOW:
        chosen += [columns.outcome == bindparam("outcome"), columns.is_open == bindparam("is_open")]
    else:
        chosen += [among(columns.outcome, "outcomes", String), among(columns.is_open, "opens")]
    if way.checks_topic:
        f = insight_topics.c
        same = (f.timestamp == _s.timestamp) & (f.conversation == _s.conversation)
        chosen.append(exists().where(among(f.topic, "topics"), same))
    return source, chosen


def _listing(way: Way) -> Select[Any]:
    source, chosen = _chosen(way)
    place = (_s.timestamp, _s.conversation)
    beyond = tuple_(*place) < tuple_(bindparam("at", type_=BigInteger), bindparam("number", type_=BigInteger))
    found = select(*place).select_from(source).where(beyond, *chosen)
    return found.order_by(*(column.desc() for column in place)).limit(bindparam("limit"))


def _counting(way: Way) -> Select[Any]:
    source, chosen = _chosen(way)
    kind = _s.outcome, _s.has_open_questions
    return select(*kind, func.count()).select_from(source).where(*chosen).group_by(*kind)


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


def _counting_topic() -> CompoundSelect[Any]:
    n = topic_case_counts.c
    whole = (
        select(n.outcome, n.has_open_questions, n.n * literal_column(str(sign))).where(
            n.topic == bindparam("topic"),
            n.level == literal_column(str(level)),
            among(n.bucket, f"buckets_{level}_{sign}"),
        )
        for level in TOPIC_LEVELS
        for sign in (1, -1)
    )
    return union_all(*whole)


WAYS = [Way(along, checks) for along in Along for checks in (False, True)[: 1 + (along is not Along.TOPIC)]]
LIST = {way: Prepared(_listing(way)) for way in WAYS}
COUNT = {way: Prepared(_counting(way)) for way in WAYS}
COUNT_BUCKETS = Prepared(_counting_buckets())
COUNT_TOPIC = Prepared(_counting_topic())
