"""Why this day: the mean sentiment over time, and what moved it in the window."""

from datetime import date

import streamlit as st

from client import calls
from client.answers import Explanation, Trends
from dashboard import api, charts, filters, pages, reasons, states, text, words
from dashboard.address import Address, Window
from dashboard.api import Problem
from dashboard.text import Row

DAYS = {
    "when": st.column_config.TextColumn("When", pinned=True),
    "n": st.column_config.NumberColumn("n", help="Conversations", format="localized"),
    "mean": st.column_config.NumberColumn("Mean sentiment", help="From -1 to 1", format="%+.2f"),
    "negative": st.column_config.NumberColumn("Negative", format="percent"),
}
PARTS = {
    "topic": st.column_config.TextColumn("Topic", pinned=True),
    "moved": st.column_config.NumberColumn("Moved the mean by", format="%+.4f"),
    "mood": st.column_config.NumberColumn(
        "Mood", help="The part of it because what was said about it was better or worse", format="%+.4f"
    ),
    "mix": st.column_config.NumberColumn(
        "Mix", help="The part of it because more or fewer conversations were about it", format="%+.4f"
    ),
}
CASES = {
    "topic": st.column_config.TextColumn("Topic", pinned=True),
    "case": st.column_config.TextColumn(
        "Case", help="Typical: near the topic's mean. Extreme: farthest on the side to which it moved"
    ),
    "score": st.column_config.NumberColumn("Score", help="From -1 to 1", format="%+.2f"),
    "text": st.column_config.TextColumn("Text", width="large"),
    "when": st.column_config.DatetimeColumn("Said (UTC)", format="YYYY-MM-DD HH:mm"),
    "author": st.column_config.TextColumn("Author"),
    "analyzer": st.column_config.TextColumn("Analyzer", help="What comes from `offline` is right less often"),
}


def show() -> None:
    """The page."""
    st.title("Why this day", anchor=False)
    address = Address.current()
    window = filters.window(address)
    if window is None:
        return
    with st.columns(2)[0]:
        filters.one_of("Compared with", "baseline", address, reasons.BASELINES)
    shown = reasons.around(window, address.baseline)
    found, trends = api.read(
        calls.explain(start_time=window.start, end_time=window.end, baseline=address.baseline),
        calls.trends(
            start_time=shown.start,
            end_time=shown.end,
            interval=reasons.interval(shown),
            min_confidence=address.min_confidence,
        ),
    )
    if isinstance(found, Problem):
        states.explain(found)
        return
    text.say(reasons.sentence(found, window, address.baseline), key="large-headline")
    if not isinstance(trends, Problem):
        _over_time(trends, address, window, shown)
    if not found.total_insights:
        states.empty(
            "No conversation of this window has been analysed. Choose another day, or move the window."
        )
        return
    _parts(found, address, window)
    _cases(found, address, window)


def _over_time(trends: Trends, address: Address, window: Window, shown: Window) -> None:
    length = reasons.interval(shown)
    rows = reasons.days(trends, window, length)

    def opened(first: str) -> None:
        chosen = reasons.bucket(date.fromisoformat(first), length)
        address.within(chosen).but(topic=None, id=None).write()

    st.header("Over time", anchor=False)
    filters.confidence(address)
    st.caption(f"{words.n(trends.total_insights)} in the chart. {HOLLOW}")
    if not charts.too_few(trends.total_insights):
        charts.days(rows, key=f"days-{window.first}-{window.last}", alt_text=CHART, opened=opened)
    with st.expander("The same as a table", icon=":material/table:"):
        ids = [str(row["id"]) for row in rows]
        first = text.choosable(
            rows, DAYS, alt=TABLE, key="days", ids=ids, marked=reasons.marked(window, length)
        )
        if first is not None:
            opened(first)
            st.rerun()


def _parts(found: Explanation, address: Address, window: Window) -> None:
    st.header("What moved the mean", anchor=False)
    if found.change is None:
        states.empty("There is nothing to compare with. Compare with a longer time, or choose another day.")
        return
    rows = reasons.parts(found)
    st.caption(
        f"{words.n(found.total_insights)}, and {words.n(found.baseline_insights)} before, whatever the confidence."
        " A part opens its conversations."
    )
    clicked = None
    if not charts.too_few(min(found.total_insights, found.baseline_insights)):
        clicked = charts.changes(
            rows[:-1],
            name="topic",
            value="moved",
            id_="id",
            key=f"parts-{window.first}-{window.last}-{address.baseline}",
            alt_text=BARS,
            title="Moved the mean by",
            is_counted=False,
        )
    ids = [str(row["id"]) for row in rows]
    part = clicked or text.choosable(rows, PARTS, alt=SUM, key="parts", ids=ids, marked=address.topic)
    if part is not None:
        _open(next(row for row in rows if row["id"] == part), address, window)


def _open(part: Row, address: Address, window: Window) -> None:
    """The conversations of a part, those first that pulled where it went."""
    topic = None if part["id"] in (reasons.REST, reasons.SUM) else part["id"]
    sort = "-score" if isinstance(moved := part["moved"], float) and moved > 0 else "score"
    pages.go(pages.CONVERSATIONS, address.within(window).but(topic=topic, sort=sort, sentiment=None))


def _cases(found: Explanation, address: Address, window: Window) -> None:
    st.header("Typical and extreme cases", anchor=False)
    if not found.topics:
        states.empty("None of these conversations has a topic.")
        return
    filters.topic(address, [each.slug for each in found.topics])
    cases = reasons.cases(found, address.topic)
    if not cases:
        states.empty("This topic is not among those that moved the mean most. Choose another.")
        return
    st.caption("A row opens its conversation.")
    ids = [id_ for id_, _ in cases]
    chosen = text.choosable(
        [row for _, row in cases], CASES, alt=EXAMPLES, key="cases", ids=ids, marked=address.id
    )
    if chosen is not None:
        pages.go(pages.CONVERSATION, address.within(window).but(id=chosen))


HOLLOW = "Rings are of under 20 conversations, so chance moves them. A day opens with a click."
CHART = "Line: the mean sentiment over time; the table below has the same figures"
TABLE = "Mean sentiment over time"
BARS = "Bars: by how much each topic moved the mean sentiment; the table below has the same figures"
SUM = "What each topic moved the mean by; the last row is the sum"
EXAMPLES = "Typical and extreme conversations of the topics that moved the mean most"

if __name__ == "__main__":
    show()
