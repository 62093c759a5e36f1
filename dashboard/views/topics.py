"""Topics: all that there are, with how many conversations of the window each has; a row opens one."""

import streamlit as st

from client import calls
from client.answers import ComparedTopics, TopicsPage
from dashboard import actions, api, curation, filters, pages, states, text, words
from dashboard.address import Address, Window
from dashboard.api import Problem

MOST = 1_000
COLUMNS = {
    "topic": st.column_config.TextColumn("Topic", pinned=True),
    "n": st.column_config.NumberColumn(
        "n", help="Conversations of this window with the topic", format="localized"
    ),
    "when": st.column_config.BarChartColumn("When", help="The window in 24 equal parts", y_min=0),
    "meaning": st.column_config.TextColumn("Meaning", help="What analyzers are told", width="large"),
    "state": st.column_config.TextColumn("State"),
    "above": st.column_config.TextColumn("Above it", help="The topic that it is a part of"),
    "aliases": st.column_config.TextColumn("Other names"),
    "origin": st.column_config.TextColumn("Where it is from"),
}
STATES = {
    None: "all but merged ones",
    "active": "active: analyzers are told them",
    "hidden": "hidden: counted, and not told",
    "merged": "merged into others",
}
TABLE = "Topics, those of the most conversations of the window first"


def show() -> None:
    """The page."""
    st.title("Topics", anchor=False)
    actions.outcome()
    address = Address.current()
    window = filters.window(address)
    if window is None:
        return
    known, counted = api.read(
        calls.all_topics_page(limit=MOST),
        calls.compare_topics(start_time=window.start, end_time=window.end, sort="-count", limit=MOST),
    )
    _filters(address)
    if isinstance(known, Problem):
        states.explain(known)
    else:
        _listed(address, window, known, counted)


def _filters(address: Address) -> None:
    typed, state, changes = st.columns([2, 2, 2], vertical_alignment="bottom")
    with typed:
        filters.typed("Words of a name or a meaning", "words", address)
    with state:
        filters.one_of("Which", "state", address, STATES)
    changes.page_link(
        pages.TOPIC_CHANGES.path,
        label="What was done to topics, and undo",
        icon=":material/history:",
        query_params=address.only("first", "last").parameters,
    )


def _listed(address: Address, window: Window, known: TopicsPage, counted: ComparedTopics | Problem) -> None:
    chosen = curation.listed(known.topics, address.words, address.state)
    if not chosen:
        states.empty("No topic is like that. Take the words away, or choose others.")
        return
    figures = [] if isinstance(counted, Problem) else counted.topics
    rows = curation.topic_rows(chosen, figures, curation.names(known.topics))
    st.caption(f"{words.topics(len(rows))}. A row opens its topic.")
    if known.next_cursor is not None:
        st.caption(f"There are more than {words.count(MOST)}; these are of the first by slug.")
    ids = [str(row["slug"]) for row in rows]
    opened = text.choosable(rows, COLUMNS, alt=TABLE, key="all-topics", ids=ids, marked=address.topic)
    if opened is not None:
        pages.go(pages.TOPIC, address.within(window).but(topic=opened))


if __name__ == "__main__":
    show()
