"""Finds phrases in an encrypted database: its index has the words without their order, so the texts are opened."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress

from sqlalchemy import Connection, TextClause, select, text, tuple_

from core.errors import DoesNotOpen
from domain.search_words import Phrase, contains, indexed
from models import messages
from store.engine.vault import at, vault_of

OPENED_AT_ONCE = 200
"""Texts that are read at once: opening and splitting one takes 30 us."""
SHIFT, MASK = 16, 65_535
PLACES_ON_SQLITE = "SELECT value >> 16 AS conversation, value & 65535 AS position FROM json_each(:places)"
PLACES_ON_POSTGRESQL = (
    "SELECT place >> 16 AS conversation, CAST(place & 65535 AS integer) AS position"
    " FROM unnest(CAST(:places AS bigint[])) AS places (place)"
)


def needs_texts(connection: Connection, phrases: Sequence[Phrase]) -> bool:
    """Whether texts must be read to find phrases: the index of an encrypted database has no order of words."""
    return vault_of(connection).is_sealing and any(len(phrase) > 1 for phrase in phrases)


def places_with(connection: Connection, places: Sequence[int], phrases: Sequence[Phrase]) -> Iterator[int]:
    """Those of the places whose message contains all the phrases, in order."""
    for some in _parts(places):
        texts = _texts(connection, some)
        yield from (place for place in some if contains(indexed(texts.get(place, "")), phrases))


def chats_with(connection: Connection, places: Sequence[int], phrases: Sequence[Phrase]) -> Iterator[int]:
    """The conversations with such a message among the places, each once and in order of the first one."""
    found: set[int] = set()
    for some in _parts(places):
        texts = _texts(connection, [place for place in some if place >> SHIFT not in found])
        for place, said in texts.items():
            number = place >> SHIFT
            if number not in found and contains(indexed(said), phrases):
                found.add(number)
                yield number


def select_places(connection: Connection, places: Sequence[int]) -> TextClause:
    """Select the conversations and positions of places."""
    if connection.dialect.name == "postgresql":
        return text(PLACES_ON_POSTGRESQL).bindparams(places=places)
    return text(PLACES_ON_SQLITE).bindparams(places=json.dumps(places))


def _parts(places: Sequence[int]) -> Iterator[Sequence[int]]:
    return (places[first : first + OPENED_AT_ONCE] for first in range(0, len(places), OPENED_AT_ONCE))


def _texts(connection: Connection, places: Collection[int]) -> Mapping[int, str]:
    """The texts of messages by their places, in the same order; what does not open is left out."""
    if not places:
        return {}
    m, vault = messages.c, vault_of(connection)
    these = tuple_(m.conversation, m.position).in_([(place >> SHIFT, place & MASK) for place in places])
    found: dict[int, str] = {}
    for number, position, stored in connection.execute(
        select(m.conversation, m.position, m.text).where(these)
    ):
        with suppress(DoesNotOpen):
            said = vault.open("messages.text", at(number, position), stored)
            found[(number << SHIFT) + position] = said
    return {place: found[place] for place in places if place in found}
