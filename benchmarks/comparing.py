"""The questions about topics of two windows, explanations and local days, and the same in plain SQL."""

from collections.abc import Callable
from typing import NamedTuple

from benchmarks.asking import Run
from benchmarks.plain_sql import Plain
from benchmarks.questions import Window
from benchmarks.timing import Json, Times
from domain.buckets import DAY, MICROSECONDS

TOPICS_MS, EXPLAIN_MS, ZONE_MS = 60.0, 120.0, 25.0
BASELINE = 28 * MICROSECONDS[DAY]
SUMS = "count(*), sum(CASE sentiment WHEN -1 THEN 1 ELSE 0 END), sum(score)"
BY_TOPIC = (
    f"SELECT topic, {SUMS} FROM insight_topics WHERE timestamp >= :start AND timestamp < :end GROUP BY topic"  # noqa: S608  our own
)
BY_PART = (
    "SELECT topic, sum(1.0 / k), sum(1.0 * score / k) FROM insight_topics t JOIN (SELECT conversation, count(*) AS k"
    " FROM insight_topics WHERE timestamp >= :start AND timestamp < :end GROUP BY conversation) AS parts"
    " ON parts.conversation = t.conversation WHERE timestamp >= :start AND timestamp < :end GROUP BY topic"
)
BY_DAY = (
    f"SELECT (timestamp + 3600000000) / 86400000000, {SUMS} FROM insights"  # noqa: S608  our own
    " WHERE timestamp >= :start AND timestamp < :end GROUP BY 1"
)


class Comparing(NamedTuple):
    """A kind of question: the path with its further parameters, how long it may take, and the plain SQL."""

    name: str
    path: str
    days: int
    more: dict[str, str]
    promised_ms: float
    in_sql: Callable[[Plain, Window], object]

    def ask(self, run: Run, place: Window) -> Json:
        """The answer for a window."""
        return run.client.get(self.path, place.parameters() | self.more)

    def times(self, run: Run, places: list[Window]) -> Times:
        """How long the answers took."""
        for place in places:
            self.ask(run, place)
        return run.client.taken()


def _both(statement: str, before: int | None) -> Callable[[Plain, Window], object]:
    """Ask for the window and for the one before it, which has its length or another one."""

    def ask(plain: Plain, window: Window) -> object:
        earlier = Window(window.start - (before or window.end - window.start), window.start)
        return [plain.ask(statement, {"start": each.start, "end": each.end}) for each in (window, earlier)]

    return ask


def _once(plain: Plain, window: Window) -> object:
    return plain.ask(BY_DAY, {"start": window.start, "end": window.end})


COMPARED = (
    Comparing("`/topics`, 30 days against 30", "/api/v1/topics", 30, {}, TOPICS_MS, _both(BY_TOPIC, None)),
    Comparing("`/explain`, a day", "/api/v1/explain", 1, {}, EXPLAIN_MS, _both(BY_PART, BASELINE)),
    Comparing(
        "`/trends?tz=Europe/Berlin`, 30 days",
        "/api/v1/trends",
        30,
        {"tz": "Europe/Berlin", "interval": "day"},
        ZONE_MS,
        _once,
    ),
    Comparing(
        "`/trends?tz=Asia/Kolkata`, 365 days",
        "/api/v1/trends",
        365,
        {"tz": "Asia/Kolkata", "interval": "day"},
        ZONE_MS,
        _once,
    ),
)
