"""What changed: the topics of a window beside those of the window before it."""

from functools import partial

import streamlit as st

from client import calls
from dashboard import api, changes, charts, filters, offered, pages, states, text, words
from dashboard.address import Address, Window
from dashboard.api import Problem
from dashboard.changes import Changes

ENDS = 100
"""Rises, and falls, that are asked for."""
COLUMNS = {
    "topic": st.column_config.TextColumn("Topic", pinned=True),
    "n": st.column_config.NumberColumn(
        "n", help="Conversations of this window with the topic", format="localized"
    ),
    "before": st.column_config.NumberColumn(
        "n before", help="The same in the window before", format="localized"
    ),
    "change": st.column_config.NumberColumn("Change", format="%+d"),
    "likely": st.column_config.TextColumn("Likely", help="Whether the change is more than chance makes"),
    "when": st.column_config.BarChartColumn("When", help="The window in 24 equal parts", y_min=0),
    "share": st.column_config.NumberColumn("Share", format="%.1f %%"),
    "share before": st.column_config.NumberColumn("Share before", format="%.1f %%"),
    "negative": st.column_config.NumberColumn(
        "Negative", help="Share of n that is negative", format="%.1f %%"
    ),
    "surprise": st.column_config.NumberColumn(
        "Surprise", help="1.3 stands for 5 %, 2 for 1 %, 3 for 0.1 %", format="%.2f"
    ),
    "first seen": st.column_config.DatetimeColumn("First seen", format="YYYY-MM-DD"),
}


def show() -> None:
    """The page."""
    st.title("What changed", anchor=False)
    offered.show(api.here()[1])
    address = Address.current()
    window = filters.window(address)
    if window is None:
        return
    filters.confidence(address)
    found = _compared(address, window)
    if isinstance(found, Problem):
        states.explain(found)
        return
    _headline(found, window)
    if not found.topics:
        states.empty(
            "No conversation of these two windows has a topic. Move the window, or lower the confidence."
        )
        return
    slug = _drawn(found, window, address.topic)
    if slug is not None:
        # What is gone from the window is made of the conversations before it.
        is_gone = any(each.slug == slug and not each.count for each in found.topics)
        there = window.before if is_gone else window
        pages.go(pages.CONVERSATIONS, address.within(there).but(topic=slug))


def _compared(address: Address, window: Window) -> Changes | Problem:
    asked = partial(
        calls.compare_topics,
        start_time=window.start,
        end_time=window.end,
        min_confidence=address.min_confidence,
        limit=ENDS,
    )
    rises, falls = api.read(asked(sort="-surprise"), asked(sort="surprise"))
    if isinstance(rises, Problem):
        return rises
    return falls if isinstance(falls, Problem) else changes.merged(rises, falls)


def _headline(found: Changes, window: Window) -> None:
    text.say(changes.sentence(found), key="large-headline")
    now, before = found.now, found.before
    total, negative, mean = st.columns(3)
    was_negative, was_mean = words.percent(before.negative_share), words.score(before.mean_sentiment)
    charts.figure(
        total, "Conversations, n", words.count(now.total_insights), words.count(before.total_insights)
    )
    charts.figure(negative, "Negative", words.percent(now.negative_share), was_negative)
    charts.figure(mean, "Mean sentiment", words.score(now.mean_sentiment), was_mean)
    st.caption(
        f"Compared with the {words.days(window.days)} before, which have {words.n(before.total_insights)}."
    )


def _drawn(found: Changes, window: Window, marked: str | None) -> str | None:
    rows = changes.rows(found)
    ids = [each.slug for each in found.topics]
    st.header("Topics", anchor=False)
    st.caption(f"{words.n(found.now.total_insights)} in this window. A bar or a row opens its conversations.")
    clicked = None
    if not charts.too_few(min(found.now.total_insights, found.before.total_insights)):
        shown = [row for row in rows if row["change"]][: changes.SHOWN]
        clicked = charts.changes(
            shown,
            name="topic",
            value="change",
            id_="slug",
            key=f"bars-{window.first}-{window.last}",
            alt_text=ALT,
        )
    return clicked or text.choosable(rows, COLUMNS, alt=TABLE, key="topics", ids=ids, marked=marked)


ALT = "Bars: by how many conversations each topic grew or shrank; the table below has the same figures"
TABLE = "Topics of this window and of the one before, the most surprising change first"

if __name__ == "__main__":
    show()
