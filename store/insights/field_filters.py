"""Filters by the operator's fields: which fields there are, and what insights that match are filed under."""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping

from sqlalchemy import Connection, select

from domain.fields.filters import FieldFilter, KnownField
from domain.fields.kinds import BIN
from models import field_versions
from store.engine.prepared import Prepared
from store.insights.field_filing import KNOWN

_v = field_versions.c
DEFINED = Prepared(select(_v.definition).order_by(_v.first_seen, _v.version))


def known_fields(connection: Connection) -> Mapping[str, KnownField]:
    """All fields that insights have answers to, or are asked for; with the values of all their versions."""
    types: defaultdict[str, set[str]] = defaultdict(set)
    values: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for (definition,) in DEFINED.rows(connection, {}):
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
