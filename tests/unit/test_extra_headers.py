"""Headers that an operator adds to each request to the model."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.complaints import complaint
from core.extra_headers import TAKEN, parse_headers
from core.settings import Settings

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,12}", fullmatch=True).filter(
    lambda name: name.lower() not in TAKEN
)
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)
HEADERS = st.dictionaries(NAMES, VALUES, max_size=4).filter(
    lambda found: len({*map(str.lower, found)}) == len(found)
)


@given(HEADERS)
def test_a_json_object_is_what_it_says(headers: dict[str, str]) -> None:
    assert parse_headers(json.dumps(headers)) == headers


@given(HEADERS)
def test_lines_are_what_they_say(headers: dict[str, str]) -> None:
    written = "\n".join(f"{name}: {value}" for name, value in headers.items())

    assert parse_headers(written) == headers


@pytest.mark.parametrize(
    ("written", "headers"),
    [
        ("", {}),
        ("X-Team: support", {"X-Team": "support"}),
        ("X-Team: support, X-Key: a,b;c", {"X-Team": "support", "X-Key": "a,b;c"}),
        ("X-A: 1; X-B: 2\nX-C: 3", {"X-A": "1", "X-B": "2", "X-C": "3"}),
        ("X-Ref: https://a.example, https://b.example", {"X-Ref": "https://a.example, https://b.example"}),
    ],
)
def test_pairs_are_told_apart(written: str, headers: dict[str, str]) -> None:
    assert parse_headers(written) == headers


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("Authorization: Bearer s3cret", "Authorization is set by the service"),
        ('{"content-type": "s3cret"}', "content-type is set by the service"),
        ("X-Key: s3crét", "the value of X-Key is empty or has characters that no header may have"),
        ("X-Key:", "the value of X-Key is empty"),
        ('{"X-Key": "s3cret\\nX-Other: s3cret"}', "the value of X-Key is empty or has characters"),
        ("s3cret", "must be a JSON object or pairs of `Name: value`"),
        ('{"X-Key": 3}', "must be a JSON object of strings, or pairs of `Name: value`"),
        ('{"X-Key": "s3cret"', "must be a JSON object of strings"),
        ("two words: s3cret", "a name has characters that no header name may have"),
        ("X-Key: s3cret\nx-key: s3cret", "x-key is given twice"),
    ],
)
def test_what_cannot_be_sent_is_refused_without_its_value(written: str, reason: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(_env_file=None, grok_extra_headers=written)  # type: ignore[call-arg, arg-type]

    told = complaint(caught.value)
    assert told.startswith(f"GROK_EXTRA_HEADERS: {reason}")
    assert "s3cr" not in told


def test_settings_do_not_show_them() -> None:
    settings = Settings(_env_file=None, grok_extra_headers="X-Key: s3cret")  # type: ignore[call-arg, arg-type]

    assert "s3cret" not in repr(settings)
