"""The operator's fields by which insights are found, counted and exported."""

from collections.abc import Mapping
from functools import partial

from api.dependencies import Resources
from domain.fields.filters import KnownField
from store.insights.field_filters import known_fields


async def fields_of_insights(resources: Resources) -> Mapping[str, KnownField]:
    """Those that are asked of conversations now, and those that insights have answers to. Raises SQLAlchemyError."""
    asked = resources.fields.of("conversations").version
    return await resources.database.read(partial(known_fields, asked=asked))
