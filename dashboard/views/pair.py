"""Two topics: side by side, in one window."""

import streamlit as st

from client import calls
from client.answers import ComparedTopics
from dashboard import api, charts, filters, pages, pair, states, text, words
from dashboard.address import Address, Window
from dashboard.api import Problem

LIMIT = 1_000
COLUMNS = {
    "topic": st.column_config.TextColumn("Topic", pinned=True),
    "n": st.column_config.NumberColumn("n", help="Conversations of this window", format="localized"),
    "share": st.column_config.NumberColumn("Share", format="percent"),
    "negative": st.column_config.NumberColumn("Negative", help="Share of n", format="percent"),
    "mean": st.column_config.NumberColumn("Mean sentiment", help="From -1 to 1", format="%+.2f"),
    "before": st.column_config.NumberColumn("n before", help="The window before", format="localized"),
    "change": st.column_config.NumberColumn("Change", format="%+d"),
    "negative before": st.column_config.NumberColumn("Negative before", format="percent"),
    "mean before": st.column_config.NumberColumn("Mean before", format="%+.2f"),
    "first seen": st.column_config.DatetimeColumn("First seen", format="YYYY-MM-DD"),
}


def show() -> None:
    """The page."""
    st.title("Two topics", anchor=False)
    address = Address.current()
    window = filters.window(address)
    if window is None:
        return
    found = api.read(
        calls.compare_topics(
            start_time=window.start, end_time=window.end, min_confidence=address.min_confidence, limit=LIMIT
        )
    )
    if isinstance(found, Problem):
        states.explain(found)
        return
    filters.two_topics(address, {each.slug: each.label for each in found.topics})
    filters.confidence(address)
    _compared(found, address, window)


def _compared(found: ComparedTopics, address: Address, window: Window) -> None:
    if address.topic is None or address.other is None:
        states.empty("Choose two topics. The commonest are first in the list, and typing narrows it.")
        return
    both = pair.pair(found, address.topic, address.other)
    if both is None:
        states.empty(
            "One of the two is in no conversation of this window or of the one before. Choose another."
        )
        return
    text.say(pair.sentence(both), key="large-headline")
    number = both.one.count + both.two.count
    st.caption(f"{words.n(found.window.total_insights)} in this window. A row opens its conversations.")
    if not charts.too_few(number):
        charts.lines(pair.points(both), key=f"pair-{window.first}-{window.last}", alt_text=LINES)
    ids = [both.one.slug, both.two.slug]
    chosen = text.choosable(pair.rows(both), COLUMNS, alt=TABLE, key="pair", ids=ids)
    if chosen is not None:
        # The list is of `topic`; the two stay the same two when somebody comes back.
        second = next(each for each in ids if each != chosen)
        pages.go(pages.CONVERSATIONS, address.within(window).but(topic=chosen, other=second))


LINES = "Two lines: the conversations of each topic in 24 equal parts of the window"
TABLE = "The two topics side by side"

if __name__ == "__main__":
    show()
