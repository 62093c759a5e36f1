"""What a list shows of each chat: its first line, and sentiment and topics of its insight."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, func, select

from models import insights, messages
from store.engine.prepared import Prepared, among
from store.engine.vault import at, vault_of
from store.insights.shown import shown_clusters

LONGEST_LINE = 200
"""Characters of a first line that are shown."""
_i, _m = insights.c, messages.c


class Glance(NamedTuple):
    """What a list shows of a chat."""

    first_line: str
    """The beginning of its first message; empty if it has none."""
    sentiment: int | None
    """1, 0 or -1; None without an insight."""
    topics: Sequence[str]


NOTHING_SEEN = Glance("", None, ())


def glances_of(connection: Connection, numbers: Sequence[int]) -> Mapping[int, Glance]:
    """What lists show of these conversations, by number."""
    given = {"numbers": [*numbers]}
    vault = vault_of(connection)
    lines = {
        number: _first_line(vault.open("messages.text", at(number, position), text))
        for number, position, text in FIRST_MESSAGES.rows(connection, given)
    }
    made = MADE.rows(connection, given)
    topics = shown_clusters(connection, [clusters for _, _, clusters in made])
    insight = {row[0]: (row[1], slugs) for row, slugs in zip(made, topics, strict=True)}
    return {number: Glance(lines.get(number, ""), *insight.get(number, (None, ()))) for number in numbers}


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")[:LONGEST_LINE]


def _first_messages() -> Select[Any]:
    # Erased messages leave gaps, so the first one may be any.
    other = messages.alias("other")
    first = select(func.min(other.c.position)).where(other.c.conversation == _m.conversation)
    found = select(_m.conversation, _m.position, _m.text)
    return found.where(among(_m.conversation, "numbers"), _m.position == first.scalar_subquery())


FIRST_MESSAGES = Prepared(_first_messages())
MADE = Prepared(select(_i.conversation, _i.sentiment, _i.clusters).where(among(_i.conversation, "numbers")))
