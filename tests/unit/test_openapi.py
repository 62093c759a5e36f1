"""The API's document: names that can be read, every field described, and nothing that generators of clients drop."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from api import examples
from api.operations import OPERATIONS, SCHEMAS
from api.vocabulary import FIELDS, PARAMETERS
from core.settings import Settings
from main import create_app

Json = dict[str, Any]
WAY_OUT = "give it a Field(description=...), or an entry in api/vocabulary.py"


@cache
def document() -> Json:
    return create_app(Settings.model_construct()).openapi()


def operations() -> list[tuple[str, str, Json]]:
    return [
        (method, path, op) for path, methods in document()["paths"].items() for method, op in methods.items()
    ]


def schemas() -> dict[str, Json]:
    found: dict[str, Json] = document()["components"]["schemas"]
    return found


def nodes(at: object = None, where: str = "#") -> Iterator[tuple[str, Json]]:
    """Every object of the document, with its place."""
    at = document() if at is None else at
    if isinstance(at, dict):
        yield where, at
        for name, value in at.items():
            if name not in ("example", "examples", "default"):
                yield from nodes(value if value is not None else {}, f"{where}/{name}")
    elif isinstance(at, list):
        for index, value in enumerate(at):
            yield from nodes(value if value is not None else {}, f"{where}/{index}")


def test_every_operation_has_a_name_of_its_own() -> None:
    assert {(method, path) for method, path, _ in operations()} == set(OPERATIONS), "see api/operations.py"
    names = [operation["operationId"] for _, _, operation in operations()]

    assert len(set(names)) == len(names)
    # A verb and what it is done to.
    assert [name for name in names if not re.fullmatch("[a-z]+(_[a-z]+)+", name)] == []
    assert [operation["summary"] for _, _, operation in operations() if "_" in operation["summary"]] == []


def test_every_operation_says_what_it_does() -> None:
    assert [name for _, _, op in operations() if len(name := op.get("description", "")) < 20] == []


def test_every_field_is_described() -> None:
    bare = [
        f"{name}.{field}"
        for name, schema in schemas().items()
        for field, declared in schema.get("properties", {}).items()
        if not declared.get("description")
    ]

    assert bare == [], WAY_OUT


def test_every_parameter_is_described() -> None:
    bare = [
        f"{method} {path}: {parameter['name']}"
        for method, path, operation in operations()
        for parameter in operation.get("parameters", ())
        if not parameter.get("description")
    ]

    assert bare == [], WAY_OUT


def test_the_vocabulary_has_no_word_that_nothing_uses() -> None:
    fields = {
        word
        for name, schema in schemas().items()
        for field in schema.get("properties", {})
        for word in (field, f"{name}.{field}")
    }
    parameters = {
        each["name"] for _, _, operation in operations() for each in operation.get("parameters", ())
    }

    assert set(FIELDS) - fields == set()
    assert set(PARAMETERS) - parameters == set()


def test_schemas_have_names_that_can_be_read() -> None:
    assert [
        name for name in schemas() if not re.fullmatch("([A-Z][a-z]+)+", name) or name.endswith("Out")
    ] == []
    assert len(set(SCHEMAS.values())) == len(SCHEMAS)
    assert [name for name, schema in schemas().items() if schema["title"] != name] == []


@pytest.mark.parametrize("word", ["oneOf", "allOf", "not", "$defs", "if"])
def test_the_document_has_nothing_that_generators_drop(word: str) -> None:
    assert [where for where, node in nodes() if word in node and not where.endswith("/properties")] == []


def test_every_array_says_what_it_holds() -> None:
    arrays = [(where, node) for where, node in nodes() if node.get("type") == "array"]

    assert arrays
    assert [where for where, node in arrays if not {"items", "prefixItems"} & node.keys()] == []


def test_every_choice_has_a_type() -> None:
    """A generator takes a choice without one for anything at all, and drops the call."""
    choices = [
        (where, each)
        for where, node in nodes()
        if isinstance(node.get("anyOf"), list)
        for each in node["anyOf"]
    ]

    assert choices
    assert [where for where, each in choices if not {"type", "$ref", "anyOf"} & each.keys()] == []


def test_every_body_has_an_example() -> None:
    bodies = {op["operationId"]: op["requestBody"] for _, _, op in operations() if "requestBody" in op}

    assert set(bodies) == set(examples.BODIES)
    for name, body in bodies.items():
        assert body["content"]["application/json"]["example"] == examples.BODIES[name]


def test_every_required_parameter_has_an_example() -> None:
    bare = [
        (operation["operationId"], parameter["name"])
        for _, _, operation in operations()
        for parameter in operation.get("parameters", ())
        if parameter.get("required") and "example" not in parameter
    ]

    assert bare == []


def test_every_default_is_of_its_type() -> None:
    """That of an alert's window was a number of microseconds where a text such as 1h is sent."""
    kinds = {
        "string": (str,),
        "integer": (int,),
        "number": (int, float),
        "boolean": (bool,),
        "array": (list,),
    }
    wrong = [
        where
        for where, node in nodes()
        if "default" in node and not isinstance(node["default"], kinds.get(str(node.get("type")), (object,)))
    ]
    assert wrong == []
