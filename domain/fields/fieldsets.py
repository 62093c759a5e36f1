"""The fields that are asked for together, their version, and the answers to them."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from domain.fields.kinds import BooleanField, EnumField, Field, FieldValue, ListField


class FiledValue(NamedTuple):
    """A value under which an insight is found and counted."""

    field: str
    value: str
    """Of a number, the name of its bin."""
    number: float | None


class FieldAnswers(NamedTuple):
    """The values of one version of the fields, by their names, all of them."""

    version: str
    values: Mapping[str, FieldValue]
    filed: tuple[FiledValue, ...]

    def with_texts(self, shown: Callable[[str], str]) -> "FieldAnswers":
        """The same with what `shown` makes of texts. Every other value is one of the operator's, or no text."""
        listed = {each.field for each in self.filed}
        texts = {
            name: shown(value)
            for name, value in self.values.items()
            if isinstance(value, str) and name not in listed
        }
        return self._replace(values={**self.values, **texts})


@dataclass(frozen=True)
class FieldSet:
    """Fields that are answered together, in the order in which they are asked for."""

    fields: tuple[Field, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.fields)

    @cached_property
    def version(self) -> str:
        """Changes with whatever changes what an answer means, and not with the order of fields or with words."""
        definitions = sorted((each.definition for each in self.fields), key=lambda each: str(each["name"]))
        text = json.dumps(definitions, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12] if self.fields else ""

    @property
    def definition(self) -> str:
        """What they are, as JSON."""
        return json.dumps([each.definition for each in self.fields], ensure_ascii=False)

    @property
    def possible(self) -> Sequence[tuple[str, str]]:
        """Everything that an insight can be found and counted under: fields and values."""
        return [(each.name, value) for each in self.fields for value in each.possible]

    @property
    def rules(self) -> Sequence[Mapping[str, object]]:
        """The words by which the offline analyzer answers; of a field without words it is none."""
        found = []
        for each in self.fields:
            if isinstance(each, EnumField | BooleanField | ListField):
                most = each.max_items if isinstance(each, ListField) else 1
                found.append(
                    {"name": each.name, "type": each.type, "of": each.of, "words": each.words, "most": most}
                )
        return [each for each in found if each["words"]]

    def read(self, given: object, *, all_nullable: bool = False) -> FieldAnswers:
        """The answers of one row. Raises ValueError, which names the first field that is wrong.

        A missing one is wrong too: nothing is filled in. What is no field is passed over. `all_nullable` is for an
        analyzer that says of itself that it cannot answer them all.
        """
        if not isinstance(given, dict):
            raise ValueError("fields is missing" if given is None else "fields must be an object")
        return self.answers({each.name: _read(each, given, all_nullable) for each in self.fields})

    def read_some(self, given: Mapping[str, object]) -> Mapping[str, FieldValue]:
        """Values of some of them. Raises ValueError, which names the first field that is wrong."""
        known = {each.name: each for each in self.fields}
        for name in given:
            if name not in known:
                raise ValueError(f"fields.{name}: no such field; there are {', '.join(known)}")
        return {name: _read(known[name], given, nullable=False) for name in given}

    def answers(self, values: Mapping[str, FieldValue]) -> FieldAnswers:
        """Answers that are valid, by field."""
        return FieldAnswers(self.version, values, (*self._filed(values),))

    def corrected(self, answers: FieldAnswers, said: Mapping[str, FieldValue]) -> FieldAnswers:
        """Answers with what a person says in their place, but for what these fields do not have or allow.

        It may have been said of another version.
        """
        values = dict(answers.values)
        for each in self.fields:
            if each.name in said:
                with suppress(ValueError):
                    values[each.name] = each.read(said[each.name])
        return self.answers(values)._replace(version=answers.version)

    def agreement(
        self, answers: Mapping[str, FieldValue], said: Mapping[str, FieldValue]
    ) -> Iterator[tuple[Field, bool]]:
        """Each field of which a person says something that it allows, and whether the answer to it is the same."""
        for each in self.fields:
            with suppress(ValueError):
                if each.name in said:
                    yield each, each.is_same(answers[each.name], each.read(said[each.name]))

    def _filed(self, values: Mapping[str, FieldValue]) -> Iterator[FiledValue]:
        """What an insight with these answers is found and counted under."""
        for each in self.fields:
            if (value := values[each.name]) is None:
                continue
            number = float(value) if each.type == "number" and isinstance(value, int | float) else None
            for name in each.filed_under(value):
                yield FiledValue(each.name, name, number)

    def of(self, asker: str) -> "FieldSet":
        """Those that are asked in analyses of `conversations`, or in `summaries`."""
        return FieldSet(tuple(each for each in self.fields if each.asker in (asker, "both")))


NO_FIELDS = FieldSet()


def _read(field: Field, given: Mapping[str, object], nullable: bool) -> FieldValue:
    if field.name not in given:
        raise ValueError(f"fields.{field.name} is missing")
    if nullable and given[field.name] is None:
        return None
    try:
        return field.read(given[field.name])
    except ValueError as error:
        raise ValueError(f"fields.{field.name} {error}") from None
