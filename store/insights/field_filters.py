"""Filters by the operator's fields: which fields there are, and what insights that match are filed under."""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping

from sqlalchemy import Connection, bindparam, or_, select

from domain.fields.filters import FieldFilter, KnownField
from domain.fields.kinds import BIN
from models import field_version_counts, field_versions
from store.engine.prepared import Prepared
from store.insights.field_filing import KNOWN

_n, _v = field_version_counts.c, field_versions.c
DEFINED = Prepared(
    select(_v.definition)
    .outerjoin(field_version_counts, _n.version == _v.version)
    .where(or_(_v.version == bindparam("asked"), _n.n > 0))
    .order_by(_v.first_seen, _v.version)
)


def known_fields(connection: Connection, asked: str) -> Mapping[str, KnownField]:
    """All fields that insights have answers to, or that the version `asked` has; with the values of these versions.

    Those that only summaries answer are not among them.
    """
    types: defaultdict[str, set[str]] = defaultdict(set)
    values: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for (definition,) in DEFINED.rows(connection, {"asked": asked}):
        for field in json.loads(definition):
            types[field["name"]].add(field["type"])
            own = ("false", "true") if field["type"] == "boolean" else field.get("values", ())
            values[field["name"]] |= dict.fromkeys(own)
    return {name: KnownField(frozenset(types[name]), [*values[name]]) for name in types}


def as_filed(connection: Connection, filters: Collection[FieldFilter]) -> tuple[FieldFilter, ...]:
    """The same filters with the numbers of the values that insights are filed under."""
    known: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for field, value, number in KNOWN.rows(connection, {"fields": [each.name for each in filters]}):
        known[field][value] = number
    return tuple(_as_filed(each, known[each.name]) for each in filters)


def _as_filed(asked: FieldFilter, numbers: Mapping[str, int]) -> FieldFilter:
    if asked.value is not None:
        found = [n for value, n in numbers.items() if value == asked.value]
        return asked._replace(whole=tuple(found), cut=())
    bins = {value: n for value, n in numbers.items() if value.startswith(BIN) and asked.has_part_in(value)}
    whole = tuple(n for value, n in bins.items() if asked.has_all_of(value))
    return asked._replace(whole=whole, cut=tuple(n for n in bins.values() if n not in whole))
