"""The names of topics: whether anybody knows one, and which ones are like it."""

from collections.abc import Collection
from difflib import get_close_matches

from sqlalchemy import Connection, bindparam, select

from models import topics
from store.engine.prepared import Prepared
from store.insights.windows import topic_number

COMPARED = 1_000
"""Topics seen that are compared with a name: those that begin like it. One takes 10 us."""
SHOWN = 5
ALIKE = 0.5
"""The share of characters in common from which two names count as near."""
LAST = "\U0010ffff"
BEGINNING_ALIKE = Prepared(
    select(topics.c.slug)
    .where(topics.c.slug >= bindparam("first"), topics.c.slug < bindparam("last"))
    .order_by(topics.c.slug)
    .limit(bindparam("limit"))
)


def names_near(connection: Connection, slug: str, built_in: Collection[str]) -> list[str] | None:
    """Up to five topics with a name like `slug`, the most similar first; None if the topic itself is known.

    A topic is known if it is one of the `built_in` or if an insight ever had it.
    """
    if slug in built_in or topic_number(connection, slug) is not None:
        return None
    beginning = {"first": slug[0], "last": slug[0] + LAST, "limit": COMPARED}
    seen = (name for (name,) in BEGINNING_ALIKE.rows(connection, beginning))
    # Sorted, so that the same ones come from both databases.
    return get_close_matches(slug, sorted({*built_in, *seen}), n=SHOWN, cutoff=ALIKE)
