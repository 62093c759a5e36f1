"""How the fake Grok answers the operator's fields: by their schema, each value made of the text it is about."""

import zlib
from collections.abc import Mapping
from typing import Any

from tests.fake_grok.requests import INVALID, Refused, ResponseFormat

HEADING = "\nFields: "
Schemas = Mapping[str, Mapping[str, Any]]
"""A schema of each field."""


def asked_fields(answer_format: ResponseFormat, system: str, known: Schemas) -> Schemas:
    """The schemas of the fields that a request asks for; without a schema, those that were asked for last.

    Raises Refused where prompt and schema do not agree.
    """
    is_told = HEADING in system
    if answer_format.json_schema is None:
        return known if is_told else {}
    properties = answer_format.json_schema.schema_.get("properties", {})
    results = properties.get("results", {}).get("items", {}).get("properties")
    fields = (properties if results is None else results).get("fields", {}).get("properties", {})
    told = system.partition(HEADING)[2]
    if is_told != bool(fields) or any(f"\n- {name}" not in told for name in fields):
        raise Refused(400, INVALID, "the prompt tells of other fields than the schema")
    return dict(fields)


def answers(schemas: Schemas, text: str) -> dict[str, Any]:
    """What the fake makes of a text: the same for the same text, whoever asks."""
    return {name: _answer(name, schema, text) for name, schema in schemas.items()}


def _answer(name: str, schema: Mapping[str, Any], text: str) -> Any:
    number = zlib.crc32(f"{name}|{text}".encode("utf-8", "replace"))
    kind = schema["type"]
    if isinstance(kind, list):
        if number % 4 == 0:
            return None
        kind = kind[0]
    values = [each for each in schema.get("enum", ()) if each is not None]
    match kind:
        case "string" if values:
            return values[number % len(values)]
        case "string":
            return f"{name} {number}"[: schema["maxLength"]]
        case "number":
            return round(
                schema["minimum"] + number % 1_000_000 / 1e6 * (schema["maximum"] - schema["minimum"]), 2
            )
        case "boolean":
            return number % 2 == 0
        case _:
            items = schema["items"]["enum"]
            return [items[(number + step) % len(items)] for step in range(schema["maxItems"])]
