"""The conversations that contain the words of a selection of insights."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection, bindparam, func, select

from domain.search_words import Phrase, phrases_in
from models import insights
from store.engine.prepared import Prepared
from store.insights import pages, windows
from store.insights.windows import Selection, Sort
from store.search import index

FEW = 20_000
"""Insights up to which only their conversations are searched; otherwise all from the window's first to its last are.

For a word in every one of a million messages, a search of all takes 0.9 s, a page of a day's 2,400 takes 8 ms.
"""


def search_words(
    connection: Connection, chosen: Selection, topic: int, *, few: int = FEW
) -> Sequence[int] | None:
    """The numbers of the conversations with a message that contains the keyword; None without a keyword.

    Conversations that the other filters exclude may be among them. Any `few` gives the same insights.
    """
    if chosen.keyword is None:
        return None
    phrases = phrases_in(chosen.keyword)
    if not phrases:
        return ()
    others = replace(chosen, keyword=None, analyzer=None, model=None, metadata=(), sort=Sort.NEWEST)
    if windows.count_insights(connection, topic, others) > few:
        return _search_window(connection, phrases, chosen)
    found = pages.find_positions(connection, others, topic, limit=few)
    return index.matching_chats(connection, phrases, among=sorted(number for _, number in found))


def _search_window(connection: Connection, phrases: Sequence[Phrase], chosen: Selection) -> Sequence[int]:
    """Search from the window's lowest number of a conversation to its highest.

    Numbers follow the time of intake, and that is mostly the order of timestamps as well. For a word in every one of a
    million messages, 30 of 400 days take 0.1 s of CPU time instead of 1.0; finding both numbers takes 10 ms of it.
    """
    ((first, last),) = NUMBERS.rows(connection, {"start": chosen.start, "end": chosen.end})
    return () if first is None else index.matching_chats_between(connection, phrases, first, last)


_number, _at = insights.c.conversation, insights.c.timestamp
NUMBERS = Prepared(
    select(func.min(_number), func.max(_number)).where(_at >= bindparam("start"), _at < bindparam("end"))
)
