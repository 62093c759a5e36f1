"""The conversations that contain the words of a selection of insights."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from domain.search_words import phrases_in
from store.insights import pages, windows
from store.insights.windows import Selection, Sort
from store.search import index

FEW = 20_000
"""Insights up to which only their conversations are searched; otherwise all conversations are.

For a word in every one of a million messages, a search of all takes 0.9 s, a page of a day's 2,400 takes 8 ms.
"""


def search_words(connection: Connection, chosen: Selection, topic: int) -> Sequence[int] | None:
    """The numbers of the conversations with a message that contains the keyword; None without a keyword.

    Conversations that the other filters exclude may be among them.
    """
    if chosen.keyword is None:
        return None
    phrases = phrases_in(chosen.keyword)
    if not phrases:
        return ()
    others = replace(chosen, keyword=None, analyzer=None, model=None, metadata=(), sort=Sort.NEWEST)
    insights = windows.count_insights(connection, topic, others)
    if insights > FEW:
        return index.matching_chats(connection, phrases)
    found = pages.find_positions(connection, others, topic, limit=FEW)
    return index.matching_chats(connection, phrases, among=sorted(number for _, number in found))
