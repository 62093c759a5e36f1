"""What the operator's fields were in the version that an insight has answers of."""

import json

from sqlalchemy import Connection, select

from domain.fields.definitions import defined_as
from domain.fields.fieldsets import NO_FIELDS, FieldAnswers, FieldSet
from models import field_versions

_v = field_versions.c


def fields_answered(connection: Connection, answers: FieldAnswers | None) -> FieldSet:
    """The fields that these are answers to; none where there are none."""
    return NO_FIELDS if answers is None else fields_of_version(connection, answers.version)


def answers_in(connection: Connection, version: str, values: str) -> FieldAnswers:
    """Answers of a version, from their JSON."""
    return fields_of_version(connection, version).answers(json.loads(values))._replace(version=version)


def fields_of_version(connection: Connection, version: str) -> FieldSet:
    """The fields of a version; none if it is not known."""
    definition = connection.scalar(select(_v.definition).where(_v.version == version))
    return NO_FIELDS if definition is None else defined_as(definition)
