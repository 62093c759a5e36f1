"""The names of topics: whether anybody knows one, and which ones are like it."""

from difflib import get_close_matches

from sqlalchemy import Connection, bindparam, select

from models import topic_names
from store.engine.prepared import Prepared
from store.insights.windows import topic_number

COMPARED = 1_000
"""Names of topics that are compared with a name: those that begin like it. One takes 10 us."""
SHOWN = 5
ALIKE = 0.5
"""The share of characters in common from which two names count as near."""
LAST = "\U0010ffff"
_name = topic_names.c.name
BEGINNING_ALIKE = Prepared(
    select(_name)
    .where(_name >= bindparam("first"), _name < bindparam("last"))
    .order_by(_name)
    .limit(bindparam("limit"))
)


def names_near(connection: Connection, name: str) -> list[str] | None:
    """Up to five names like `name`, the most similar first; None if it is itself the name or label of a topic."""
    if topic_number(connection, name) is not None:
        return None
    beginning = {"first": name[0], "last": name[0] + LAST, "limit": COMPARED}
    seen = (each for (each,) in BEGINNING_ALIKE.rows(connection, beginning))
    # Sorted, so that the same ones come from both databases.
    return get_close_matches(name, sorted(seen), n=SHOWN, cutoff=ALIKE)
