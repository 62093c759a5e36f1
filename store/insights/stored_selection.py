"""A selection as the database has it, and what its filters by fields leave."""

from dataclasses import replace

from sqlalchemy import Connection

from domain.fields.filters import FieldFilter
from models import ALL_TOPICS
from store.engine.vault import vault_of
from store.insights.field_filters import as_filed
from store.insights.windows import Selection, count_insights


def as_stored(connection: Connection, chosen: Selection) -> Selection:
    """The selection with what stands in the database for its author, its values of metadata and those of fields."""
    if chosen.fields:
        chosen = replace(chosen, fields=_fewest_first(connection, chosen))
    vault = vault_of(connection)
    if not vault.is_sealing:
        return chosen
    metadata = tuple((key, vault.value(key, value)) for key, value in chosen.metadata)
    return replace(chosen, author=vault.author(chosen.author), metadata=metadata)


def _fewest_first(connection: Connection, chosen: Selection) -> tuple[FieldFilter, ...]:
    filters = as_filed(connection, chosen.fields)
    if len(filters) == 1:
        return filters
    return tuple(sorted(filters, key=lambda each: count_filed(connection, each, chosen)))


def count_filed(connection: Connection, filed: FieldFilter, chosen: Selection) -> int:
    """Count the insights of the window under everything that a filter may find; exact but where it cuts a bin."""
    window = Selection(chosen.start, chosen.end)
    return sum(count_insights(connection, number, window) for number in filed.numbers)


def without_field(topic: int, chosen: Selection) -> Selection | None:
    """The rest of a selection that one filter by a field narrows, if the roll-ups of its values can count it."""
    if topic != ALL_TOPICS or chosen.author is not None or len(chosen.fields) != 1:
        return None
    rest = replace(chosen, fields=())
    return rest if rest.is_plain else None


def sole_value(chosen: Selection) -> int | None:
    """The number of the value that is all that narrows a window; None if more does, or nothing."""
    rest = without_field(ALL_TOPICS, chosen)
    if rest is None or rest.selective or chosen.cluster is not None:
        return None
    (asked,) = chosen.fields
    return asked.whole[0] if len(asked.whole) == 1 and not asked.cut else None
