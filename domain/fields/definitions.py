"""Versions of fields that were asked for before, from what was noted of them."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from domain.fields.fieldsets import FieldSet
from domain.fields.kinds import BooleanField, EnumField, Field, ListField, NumberField, TextField

KINDS: Mapping[str, type[Field]] = {
    kind.type: kind for kind in (EnumField, NumberField, BooleanField, TextField, ListField)
}
HAVE_WORDS = (EnumField, BooleanField, ListField)


@lru_cache(maxsize=64)
def defined_as(definition: str) -> FieldSet:
    """The fields whose `FieldSet.definition` this is, without the words by which the offline analyzer answers."""
    return FieldSet(tuple(_field(each) for each in json.loads(definition)))


def _field(defined: Mapping[str, Any]) -> Field:
    kind = KINDS[defined["type"]]
    given = {name: value for name, value in defined.items() if name != "type"}
    if kind in HAVE_WORDS:
        given["words"] = {}
    return kind(**given)
