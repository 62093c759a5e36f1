"""The envelope of an error: short, of known codes, and without a word of what was sent."""

import json
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import AnyUrl, BaseModel, Field, ValidationError, field_validator
from starlette.requests import ClientDisconnect

from api.errors import ApiError, documented, to_api_error
from api.problems import MAX_DETAILS, describe
from schemas import Code

SECRET = "hunter2-hunter2"  # what a client sent and no answer may repeat


def test_a_rate_limit_says_when_to_come_again_and_nothing_else() -> None:
    error = ApiError(Code.RATE_LIMIT_EXCEEDED, retry_after=7)

    assert error.envelope() == {"error": "rate_limit_exceeded", "retry_after": 7}
    assert error.response().headers["retry-after"] == "7"


def test_bulk_details_are_a_list() -> None:
    details = [{"index": 3, "error": "Missing required field: text"}]

    body = ApiError(Code.INVALID_SCHEMA, details).response().body

    assert json.loads(bytes(body)) == {"error": "invalid_schema", "details": details}


def test_a_client_that_hangs_up_is_no_failure_of_ours() -> None:
    assert to_api_error(ClientDisconnect()).status_code == 400


def test_documented_codes_share_the_status_they_have() -> None:
    responses = documented(Code.INVALID_SCHEMA, Code.QUEUE_FULL, Code.OVERLOADED)

    assert {status: entry["description"] for status, entry in responses.items()} == {
        400: "invalid_schema",
        503: "queue_full, overloaded",
    }


class Kind(Enum):
    ONE = "one"


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


class Everything(BaseModel):
    """A field of each type whose complaint could repeat what was sent."""

    integer: int
    number: float
    flag: bool
    kind: Kind
    uuid: UUID
    url: AnyUrl
    moment: datetime
    pattern: Annotated[str, Field(pattern="^x$")]
    short: Annotated[str, Field(max_length=2)]
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    wait_at_most: int | list[int]
    asserted: str

    @field_validator("asserted")
    @classmethod
    def _asserted(cls, value: str) -> str:
        assert value == "x", f"not {value}"
        return value


def test_no_type_of_field_makes_the_details_repeat_what_was_sent() -> None:
    sent: dict[str, Any] = dict.fromkeys(Everything.model_fields, SECRET)
    for pet in (SECRET, {"kind": SECRET}):
        with pytest.raises(ValidationError) as caught:
            Everything.model_validate(sent | {"pet": pet})

        details = [describe([problem]) for problem in caught.value.errors()]

        assert len(details) > len(Everything.model_fields)
        assert not [line for line in details if "hunter" in line or "`" in line]


def test_details_stay_short_however_much_is_wrong() -> None:
    name = ("x" * 200,)
    unknown = {"type": "extra_forbidden", "loc": name, "msg": ""}
    deep = {"type": "extra_forbidden", "loc": name * 5, "msg": ""}

    assert describe([unknown]) == f"Unknown field: {'x' * 64}..."
    assert describe([unknown] * 12).endswith("; and 2 more")
    assert len(describe([deep] * 500)) < MAX_DETAILS + 50


def test_a_field_name_from_outside_cannot_break_the_answer() -> None:
    problem = {"type": "extra_forbidden", "loc": ("a\ud800\n\0",), "msg": ""}

    body = ApiError(Code.INVALID_SCHEMA, describe([problem])).response().body

    assert json.loads(bytes(body))["details"] == "Unknown field: a???"
