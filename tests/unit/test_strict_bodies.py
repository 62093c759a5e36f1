"""A body's numbers and booleans are those of JSON: `false` is no 0, and `"1"` is no number."""

from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from schemas import Sent

NOT_THIS: dict[str, tuple[object, ...]] = {
    "number": (False, True, "1"),
    "integer": (False, True, "1"),
    "boolean": (0, 1, "true"),
}


def _models(kind: type[Sent] = Sent) -> Iterator[type[Sent]]:
    for model in kind.__subclasses__():
        yield model
        yield from _models(model)


def _types(schema: dict[str, object]) -> set[object]:
    choices = schema.get("anyOf", [schema])
    assert isinstance(choices, list)
    return {choice.get("type") for choice in choices}


CASES = [
    pytest.param(model, name, value, id=f"{model.__name__}.{name}-{value}")
    for model in _models()
    for name, schema in model.model_json_schema()["properties"].items()
    if "string" not in (types := _types(schema))
    for type_ in sorted(NOT_THIS.keys() & types)
    for value in NOT_THIS[type_]
]


@pytest.mark.parametrize(("model", "name", "value"), CASES)
def test_no_other_type_is_taken_for_it(model: type[Sent], name: str, value: object) -> None:
    with pytest.raises(ValidationError) as error:
        model.model_validate({name: value})
    assert any(complaint["loc"][:1] == (name,) for complaint in error.value.errors())
