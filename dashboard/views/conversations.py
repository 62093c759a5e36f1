"""Conversations: a list by window and filters, to which bars and rows of the other views lead."""

import streamlit as st

from client import calls
from client.answers import InsightsPage, ListedInsight, SentimentCounts
from client.wire import Call
from dashboard import api, filters, pages, states, text, words, writers
from dashboard.address import Address, Window
from dashboard.api import Problem
from dashboard.text import Row

LIMIT = 50
PREVIEW = 300
COLUMNS = {
    "when": st.column_config.DatetimeColumn("Said (UTC)", format="YYYY-MM-DD HH:mm", pinned=True),
    "text": st.column_config.TextColumn("Text", width="large"),
    "sentiment": st.column_config.TextColumn("Sentiment"),
    "score": st.column_config.NumberColumn("Score", help="From -1 to 1", format="%+.2f"),
    "confidence": st.column_config.NumberColumn("Confidence", format="percent"),
    "topics": st.column_config.TextColumn("Topics"),
    "author": st.column_config.TextColumn("Author"),
    "language": st.column_config.TextColumn("Language"),
    "analyzer": st.column_config.TextColumn("Analyzer", help="What comes from `offline` is right less often"),
}
SORTS = {
    "-timestamp": "newest first",
    "timestamp": "oldest first",
    "score": "most negative first",
    "-score": "most positive first",
    "confidence": "least sure first",
    "-confidence": "surest first",
}


def show() -> None:
    """The page."""
    st.title("Conversations", anchor=False)
    address = Address.current()
    window = filters.window(address)
    if window is None:
        return
    found, topics = api.read(_asked(address, window), calls.all_topics_page(limit=1_000))
    _filters(address, [] if isinstance(topics, Problem) else [each.slug for each in topics.topics])
    if isinstance(found, Problem):
        states.explain(found)
    elif found.insights:
        _listed(address, window, found)
    else:
        states.empty("No conversation of this window is like that. Move the window, or take a filter away.")


def _asked(address: Address, window: Window) -> Call[InsightsPage]:
    return calls.insights_page(
        start_time=window.start,
        end_time=window.end,
        sentiment=address.sentiment,
        min_confidence=address.min_confidence,
        cluster=address.topic,
        author=address.author,
        keyword=address.words,
        sort=address.sort,
        limit=LIMIT,
        cursor=address.cursor,
        **writers.narrowed(address),
    )


def _filters(address: Address, topics: list[str]) -> None:
    with st.expander("Filters", icon=":material/filter_alt:", expanded=True):
        first, second, third = st.columns(3)
        with first:
            filters.topic(address, topics)
            filters.sentiment(address)
        with second:
            filters.typed("Words, all in one message", "words", address)
            filters.typed("Author", "author", address)
        with third:
            filters.sort(address, SORTS)
            filters.confidence(address)
        if address.value is not None:
            filters.value(address)


def _listed(address: Address, window: Window, found: InsightsPage) -> None:
    total = found.metadata.total_count
    st.caption(f"{words.n(total)}. A row opens its conversation.")
    if found.metadata.sentiment_counts:
        _counted(found.metadata.sentiment_counts)
    ids = [each.conversation_id for each in found.insights]
    rows = [_row(each) for each in found.insights]
    chosen = text.choosable(rows, COLUMNS, alt=TABLE, key="list", ids=ids, marked=address.id)
    if chosen is not None:
        pages.go(pages.CONVERSATION, address.within(window).but(id=chosen))
    if found.metadata.next_cursor:
        onward = address.within(window).but(cursor=found.metadata.next_cursor, id=None)
        st.button("Next page", icon=":material/arrow_forward:", on_click=onward.write)


def _counted(counts: SentimentCounts) -> None:
    good, bad = words.count(counts.positive), words.count(counts.negative)
    neither, unsure = words.count(counts.neutral), words.count(counts.unsure)
    st.caption(f"{good} positive, {neither} neutral, {bad} negative, {unsure} unsure.")


def _row(each: ListedInsight) -> Row:
    analysis = each.grok_analysis
    return {
        "when": each.timestamp,
        "text": " ".join(each.text[:PREVIEW].split()),
        "sentiment": each.sentiment,
        "score": analysis.sentiment_score,
        "confidence": analysis.confidence,
        "topics": ", ".join(analysis.clusters),
        "author": each.author,
        "language": each.language,
        "analyzer": each.analyzer,
    }


TABLE = "Conversations of the window that the filters let through"

if __name__ == "__main__":
    show()
