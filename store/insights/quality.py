"""What is drawn at random to be checked, and what people said of it: from that the quality of analyses is measured.

A draw is of the insights of whole UTC days, each with a known chance. Whoever has corrected a conversation that is
drawn has checked it, whether before or after the draw. Corrections of others are counted, and measure nothing.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple

from sqlalchemy import Connection, case, exists, func, insert, select

from domain.analysis import UNSURE
from domain.buckets import DAY, MICROSECONDS
from domain.quality import BINS, Checked, chances, places_to_draw
from models import (
    ALL_TOPICS,
    OF_ANALYSIS,
    conversations,
    corrections,
    counts,
    insight_versions,
    insights,
    quality_items,
)
from store.insights.field_quality import FieldJudgement, Weights, judged_fields
from store.insights.makers import Maker
from store.insights.rollups import SCORED
from store.insights.shown import slugs_shown

A_DAY = MICROSECONDS[DAY]
ENDS = (*BINS[1:], 101)
_c, _i, _n, _q, _v = corrections.c, insights.c, counts.c, quality_items.c, insight_versions.c


class Window(NamedTuple):
    """Conversations that were said in `[start, end)`, UTC microseconds."""

    start: int
    end: int

    @property
    def days(self) -> range:
        """The whole UTC days in it."""
        return range(-(-self.start // A_DAY), self.end // A_DAY)


# --- drawing ----------------------------------------------------------------------------------------------------


def draw_sample(connection: Connection, window: Window, wanted: int, dice: Random, *, now: int) -> int:
    """Draw about so many insights of a window, with chances that are stored with them; gives how many.

    Nothing is drawn when all of the window were drawn before.
    """
    sizes = _sizes(connection, window)
    totals = [sum(n for _, n in days) for days in sizes]
    if connection.scalar(_known(window)) >= sum(totals):
        return 0
    number = (connection.scalar(select(func.max(_q.draw))) or 0) + 1
    rows = {}
    found = chances(totals, wanted)
    for place, drawn in enumerate(places_to_draw(totals, found, dice)):
        for conversation, revision in _drawn(connection, place, sizes[place], drawn):
            same = {"draw": number, "revision": revision, "chance": found[place], "drawn_at": now}
            rows[conversation] = {"conversation": conversation, **same}
    if rows:
        connection.execute(insert(quality_items), [*rows.values()])
    return len(rows)


def _known(window: Window) -> Any:
    """How many insights of a window were drawn before."""
    same = (_i.conversation == _q.conversation) & (_i.revision == _q.revision)
    within = _i.timestamp >= window.days.start * A_DAY, _i.timestamp < window.days.stop * A_DAY
    found = select(func.count(_q.conversation.distinct())).join_from(quality_items, insights, same)
    return found.where(*within, _i.sentiment != UNSURE)


def _sizes(connection: Connection, window: Window) -> list[list[tuple[int, int]]]:
    """For each bin of confidence the UTC days of a window that have insights in it, and how many."""
    whens = ((_n.confidence < end, place) for place, end in enumerate(ENDS))
    bin_ = case(*whens).label("bin")
    here = _n.topic == ALL_TOPICS, _n.level == DAY, _n.sentiment.in_(SCORED)
    within = _n.bucket >= window.days.start, _n.bucket < window.days.stop
    found = select(bin_, _n.bucket, func.sum(_n.n)).where(*here, *within)
    sizes: list[list[tuple[int, int]]] = [[] for _ in BINS]
    for place, day, n in connection.execute(found.group_by(bin_, _n.bucket).order_by(bin_, _n.bucket)):
        sizes[place].append((day, int(n)))
    return sizes


def _drawn(
    connection: Connection, place: int, days: Sequence[tuple[int, int]], places: Sequence[int]
) -> Iterator[tuple[int, int]]:
    """The numbers and revisions of what is drawn of a bin."""
    before = iter(days)
    day, n, passed = 0, 0, 0
    for drawn in places:
        while drawn >= passed + n:
            passed += n
            day, n = next(before)
        row = connection.execute(_nth(place, day, drawn - passed)).one_or_none()
        if row is not None:
            yield row[0], row[1]


def _nth(place: int, day: int, offset: int) -> Any:
    """The insight at a place, from 0, among those of a bin and a UTC day."""
    within = _i.timestamp >= day * A_DAY, _i.timestamp < (day + 1) * A_DAY
    inside = _i.confidence >= BINS[place], _i.confidence < ENDS[place], _i.sentiment != UNSURE
    found = select(_i.conversation, _i.revision).where(*within, *inside)
    return found.order_by(_i.timestamp, _i.conversation).limit(1).offset(offset)


def pending(connection: Connection) -> list[int]:
    """The conversations (intake numbers) that were drawn and still have the same text, and whose sentiment nobody has
    checked; those of one draw in an order that means nothing, so that whoever stops early has checked any of them."""
    said = exists().where(
        _c.conversation == _q.conversation, _c.revision == _q.revision, _c.sentiment.is_not(None)
    )
    same = (_i.conversation == _q.conversation) & (_i.revision == _q.revision)
    found = select(_q.conversation, func.min(_q.draw)).join(insights, same).where(~said)
    rows = connection.execute(found.group_by(_q.conversation)).all()
    return [number for number, draw in sorted(rows, key=lambda row: (row[1], _mixed(row[0])))]


def _mixed(number: int) -> int:
    return number * 2_654_435_761 % 2**32


# --- what was checked -------------------------------------------------------------------------------------------


class Judgement(NamedTuple):
    """What an analyzer said of a checked conversation."""

    maker: Maker
    checked: Checked
    clusters: Sequence[str]
    """The topics that it named, by the slugs that they are shown with."""
    right_clusters: Sequence[str] | None
    """Those that the person named; None if they named none."""
    is_newest: bool
    """Whether it is the newest that an analyzer says of this text."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of the quality of the insights of a window."""

    said: Sequence[Judgement]
    outside: int
    """Corrections of sentiment of conversations that were not drawn."""
    disagreeing: int
    """Those among them that do not agree with the analyzer."""
    fields: Sequence[FieldJudgement] = ()


def evidence(connection: Connection, window: Window) -> Evidence:
    """Gather what people said of the insights of a window."""
    weights = _weights(connection)
    rows = connection.execute(_labels(window)).all()
    inside = {(row.conversation, row.revision): row for row in rows if row[:2] in weights}
    outside = [row for row in rows if row[:2] not in weights and row.model_sentiment != UNSURE]
    wrong = sum(row.sentiment != row.model_sentiment for row in outside)
    raw = [*_newest(inside), *_earlier(connection, inside)]
    slugs = slugs_shown(connection, {name for each in raw for name in (*each.clusters, *(each.right or ()))})
    said = [_judged(each, weight, slugs) for each in raw for weight in weights[each.key]]
    fields = judged_fields(connection, window.start, window.end, weights)
    return Evidence(said, len(outside), wrong, fields)


def _labels(window: Window) -> Any:
    said_at = conversations.c.timestamp
    within = said_at >= window.start, said_at < window.end
    found = select(corrections).join(conversations, conversations.c.number == _c.conversation)
    return found.where(_c.sentiment.is_not(None), *within)


def _weights(connection: Connection) -> Weights:
    weights: defaultdict[tuple[int, int], list[float]] = defaultdict(list)
    for row in connection.execute(select(_q.conversation, _q.revision, _q.chance)):
        weights[row.conversation, row.revision].append(1 / row.chance)
    return weights


class _Raw(NamedTuple):
    key: tuple[int, int]
    maker: Maker
    confidence: int
    agrees: bool
    clusters: Sequence[str]
    right: Sequence[str] | None
    is_newest: bool


def _newest(labels: Mapping[tuple[int, int], Any]) -> Iterator[_Raw]:
    for key, row in labels.items():
        if row.model_sentiment != UNSURE:
            maker = Maker(row.analyzer, row.model, row.prompt_version)
            agrees = row.sentiment == row.model_sentiment
            yield _Raw(key, maker, row.model_confidence, agrees, *_topics(row, row.model_clusters), True)


def _earlier(connection: Connection, labels: Mapping[tuple[int, int], Any]) -> Iterator[_Raw]:
    """What other analyzers said before of the same texts."""
    numbers = sorted({number for number, _ in labels})
    made = select(insight_versions).where(_v.conversation.in_(numbers), _v.origin == OF_ANALYSIS)
    for row in connection.execute(made) if numbers else ():
        label = labels.get((row.conversation, row.revision))
        if label is not None and row.sentiment != UNSURE:
            maker = Maker(row.analyzer, row.model, row.prompt_version)
            agrees = label.sentiment == row.sentiment
            key = row.conversation, row.revision
            yield _Raw(key, maker, row.confidence, agrees, *_topics(label, row.clusters), False)


def _topics(label: Any, named: str) -> tuple[Sequence[str], Sequence[str] | None]:
    return json.loads(named), None if label.clusters is None else json.loads(label.clusters)


def _judged(raw: _Raw, weight: float, slugs: Mapping[str, str]) -> Judgement:
    def shown(names: Sequence[str]) -> list[str]:
        return [*dict.fromkeys(slugs.get(name, name) for name in names)]

    checked = Checked(raw.confidence, raw.agrees, weight)
    right = None if raw.right is None else shown(raw.right)
    return Judgement(raw.maker, checked, shown(raw.clusters), right, raw.is_newest)
