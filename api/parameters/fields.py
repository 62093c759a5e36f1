"""Filters by the operator's fields: `field.NAME=value`, and of a number `field.NAME.min` and `field.NAME.max`."""

from typing import Any, Self

from pydantic import ModelWrapValidatorHandler, PrivateAttr, model_validator
from pydantic_core import PydanticCustomError

from api.parameters.common import Parameters
from domain.fields.filters import FIELD, FieldFilter, read_filters


class FieldFilterParameters(Parameters):
    """Of whatever can be narrowed by fields."""

    # No field, because its parameters are as many as there are fields.
    _field_filters: tuple[FieldFilter, ...] = PrivateAttr(())

    @model_validator(mode="wrap")
    @classmethod
    def _with_field_filters(cls, given: dict[str, Any], handler: ModelWrapValidatorHandler[Self]) -> Self:
        filters = {name: value for name, value in given.items() if name.startswith(FIELD)}
        found = handler({name: value for name, value in given.items() if name not in filters})
        try:
            found._field_filters = read_filters(filters)
        except ValueError as error:
            raise PydanticCustomError("fields", "{reason}", {"reason": str(error)}) from None
        return found
