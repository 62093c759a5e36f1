"""Fields of one's own: what a file may say, and which answers can be used."""

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from api.exports import COLUMNS
from api.parameters.insights import InsightsParameters
from api.parameters.trends import TrendsParameters
from domain.analysis import Analysis, Invalid
from domain.fields.fieldsets import FieldSet
from domain.fields.filters import FieldFilter
from domain.fields.kinds import (
    EDGES,
    FARTHEST,
    MOST_FIELDS,
    NumberField,
    bin_bounds,
    bin_label,
    bins_between,
    number_bin,
)
from domain.fields.parsing import load_fields, parse_fields
from domain.fields.reserved import RESERVED
from domain.row_validation import validate_row
from schemas import ExportedInsight, InsightVersionOut
from tests.support.field_data import CHANGED, FIELDS, FILE, SAID


def document(**changes: Any) -> dict[str, Any]:
    """The file as JSON, with changes of its first field; None takes a key out."""
    given = yaml.safe_load(FILE.replace("true:", '"true":').replace('required: "true":', "required: true"))
    first = {**given["fields"][0], **changes}
    given["fields"][0] = {key: value for key, value in first.items() if value is not None}
    return dict(given)


# --- the file -----------------------------------------------------------------------------------------------


def test_json_and_yaml_say_the_same() -> None:
    assert parse_fields(json.dumps(document())).version == FIELDS.version
    assert [each.name for each in FIELDS.fields] == ["urgency", "refund_amount", "damaged", "wishes", "place"]
    assert [each.required for each in FIELDS.fields] == [True, False, False, False, False]


def test_words_that_yaml_takes_for_something_else_stay_what_they_are() -> None:
    file = "fields: [{name: answer, type: enum, meaning: m, values: {yes: y, no: n, 1.10: v, on: o}}]"

    assert parse_fields(file).fields[0].possible == ["yes", "no", "1.10", "on"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": "Urgency"}, "name: must be 1 to 32 lower-case letters, digits and underscores"),
        ({"name": "a" * 33}, "name: must be"),
        ({"name": "sentiment"}, "name: is taken"),
        ({"name": "place"}, "another one has the same name"),
        ({"name": None}, "name: must be"),
        ({"type": "integer"}, "type: must be one of enum, number, boolean, text, list"),
        ({"type": None}, "type: is missing"),
        ({"meaning": None}, "meaning: is missing"),
        ({"meaning": "m" * 301}, "meaning: must have 1 to 300 printable characters"),
        ({"meaning": 5}, None),
        ({"of": "everybody"}, "of: must be one of customer, agent, conversation"),
        ({"required": "maybe"}, "required: must be one of true, false"),
        ({"for": "chats"}, "for: must be one of conversations, summaries, both"),
        ({"values": {"high": "x"}}, "values: must be 2 to 30 values"),
        ({"values": {f"v{n}": "x" for n in range(31)}}, "values: must be 2 to 30 values"),
        ({"values": ["high", "low"]}, "values: must be 2 to 30 values"),
        ({"values": {"high": "x", "a,b": "y"}}, "values: a,b: must have 1 to 40"),
        ({"values": {"high": "x", "null": "y"}}, "values: null: must have"),
        ({"values": {"high": "x", "low": ""}}, "values: low: must have 1 to 300 printable characters"),
        ({"words": {"none": ["x"]}}, "words: none: is not one of the values"),
        ({"words": {"high": []}}, "words: high: must be a list of 1 to 50 words"),
        ({"words": {"high": [["x"]]}}, "words: high: must be a text"),
        ({"minimum": 5}, "minimum is not known for the type enum"),
        ({"color": "red"}, "color is not known"),
        (
            {"type": "number", "values": None, "words": None, "minimum": 5, "maximum": 5},
            "minimum: must be below",
        ),
        (
            {"type": "number", "values": None, "words": None, "minimum": "nan"},
            "minimum: must be a number from",
        ),
        (
            {"type": "number", "values": None, "words": None, "maximum": 1e13},
            "maximum: must be a number from",
        ),
        (
            {"type": "text", "values": None, "words": None, "max_length": 201},
            "max_length: must be a whole number",
        ),
        ({"type": "list", "max_items": 4}, "max_items: must be a whole number from 1 to 3"),
        ({"type": "list", "max_items": "0000000003"}, "max_items: must be a whole number from 1 to 3"),
    ],
)
def test_what_is_wrong_is_told_in_a_line_that_names_the_field(
    changes: dict[str, Any], told: str | None
) -> None:
    content = json.dumps(document(**changes))
    if told is None:
        assert parse_fields(content)
        return
    with pytest.raises(ValueError, match=r"^field \d") as caught:
        parse_fields(content)

    name = changes.get("name", "urgency") or ""
    # A name that another one has is told of the later one.
    assert told in str(caught.value)
    assert name[:20] in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "must have one key, fields"),
        ("[]", "must have one key, fields"),
        ("fields: {}", "must have one key, fields"),
        ("fields: []", f"1 to {MOST_FIELDS} are possible, not 0"),
        ("fields: [1]", "field 1: must have keys"),
        ("fields: [[]]\nmore: 1", "more is not known"),
        ("fields: [{name: a, name: b}]", "line 1: name stands there twice"),
        ("fields: [{[1, 2]: b}]", "line 1: a key must be a word"),
        ("fields: [", "neither YAML nor JSON: line 1"),
        ("fields: !!python/object/apply:os.getcwd []", "1 to 12 are possible, not 0"),
        ("fields: \x00", "neither YAML nor JSON"),
        ("[" * 20_000, "nested too deeply"),
        ("x" * 70_000, "the file has more than"),
    ],
)
def test_what_is_no_list_of_fields_is_told(content: str, told: str) -> None:
    with pytest.raises(ValueError, match=told) as caught:
        parse_fields(content)

    assert "\n" not in str(caught.value)


def test_json_may_be_indented_with_tabs_and_escape_what_it_likes() -> None:
    given = document(meaning="how happy \N{GRINNING FACE} somebody is")
    written = json.dumps(given, indent="\t")
    assert "\\ud83d" in written

    assert parse_fields(written) == parse_fields(json.dumps(given, ensure_ascii=False))
    with pytest.raises(ValueError, match="name stands there twice"):
        parse_fields('{"fields": [{"name": "a", "name": "b"}]}')


def test_a_file_without_an_end_is_too_long() -> None:
    with pytest.raises(ValueError, match="FIELDS_FILE: the file has more than 65,536 characters"):
        load_fields(Path("/dev/zero"))


def test_up_to_twelve_are_possible() -> None:
    one = {"type": "boolean", "meaning": "m"}
    many = [{**one, "name": f"f{number}"} for number in range(MOST_FIELDS + 1)]

    assert len(parse_fields(json.dumps({"fields": many[1:]})).fields) == MOST_FIELDS
    with pytest.raises(ValueError, match="1 to 12 are possible, not 13"):
        parse_fields(json.dumps({"fields": many}))


@given(st.recursive(st.none() | st.booleans() | st.text() | st.integers(), st.lists) | st.text())
def test_whatever_the_file_has_ends_in_fields_or_in_one_line(content: Any) -> None:
    for text in (str(content), json.dumps({"fields": [{"name": "a", "type": content, "values": content}]})):
        told = complaint(text)
        assert told is None or (told and "\n" not in told)


def complaint(content: str) -> str | None:
    try:
        return None if parse_fields(content).fields else ""
    except ValueError as error:
        return str(error)


def test_names_that_insights_have_cannot_be_taken() -> None:
    known = {*COLUMNS, *ExportedInsight.model_fields, *InsightVersionOut.model_fields}
    filters = {*InsightsParameters.model_fields, *TrendsParameters.model_fields}

    assert {name for name in known | filters if "." not in name} - RESERVED == set()


def test_the_version_changes_with_the_meaning_of_an_answer_only() -> None:
    def version(**changes: Any) -> str:
        return parse_fields(json.dumps(document(**changes))).version

    turned = document()
    turned["fields"].reverse()

    assert parse_fields(json.dumps(turned)).version == FIELDS.version
    assert version(words=None) == FIELDS.version
    assert (
        len(
            {
                FIELDS.version,
                CHANGED.version,
                version(meaning="x"),
                version(of="agent"),
                version(required=False),
            }
        )
        == 5
    )
    assert FieldSet().version == ""


# --- answers ------------------------------------------------------------------------------------------------

WRONG: dict[str, list[tuple[Any, str]]] = {
    "urgency": [
        *(
            (None, "must not be null"),
            *((wrong, "must be one of high, normal, low") for wrong in ("High", "")),
        ),
        *((1, "must be a string"), (True, "must be a string"), (["high"], "must be a string")),
    ],
    "refund_amount": [
        *(("12", "must be a number"), (True, "must be a number"), ([1], "must be a number")),
        *((-0.01, "is outside"), (5000.01, "is outside"), (10**400, "is outside")),
        *((math.nan, "is outside"), (math.inf, "is outside")),
    ],
    "damaged": [(0, "must be true or false"), ("true", "must be true or false")],
    "wishes": [
        *(("refund", "must be a list"), ({}, "must be a list"), ([1], "must be a list of strings")),
        *((["nothing"], "has an item"), (["refund", "resend", "apology"], "has more than 2 items")),
    ],
    "place": [
        *((1, "must be a string"), ("", "must not be empty"), ("  ", "must not be empty")),
        ("x" * 41, "has more than 40 characters"),
    ],
}


@pytest.mark.parametrize(("name", "value", "told"), [(n, v, t) for n, its in WRONG.items() for v, t in its])
def test_a_value_that_cannot_be_used_is_told_and_never_repeated(name: str, value: Any, told: str) -> None:
    with pytest.raises(ValueError, match=rf"^fields\.{name} {told}"):
        FIELDS.read({**SAID, name: value})


@pytest.mark.parametrize("name", SAID)
def test_a_missing_one_is_never_filled_in(name: str) -> None:
    with pytest.raises(ValueError, match=rf"^fields\.{name} is missing$"):
        FIELDS.read({key: value for key, value in SAID.items() if key != name})


@pytest.mark.parametrize(("given", "told"), [(None, "fields is missing"), ([], "fields must be an object")])
def test_fields_have_to_be_an_object(given: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        FIELDS.read(given)


def test_answers_are_kept_and_filed() -> None:
    answers = FIELDS.read(
        {**SAID, "wishes": ["resend", "resend", "apology"], "place": " here\0 ", "other": 1}
    )

    assert answers.version == FIELDS.version
    assert answers.values == {**SAID, "place": "here\ufffd"}
    assert [tuple(each) for each in answers.filed] == [
        ("urgency", "high", None),
        ("refund_amount", number_bin(12.5), 12.5),
        ("damaged", "true", None),
        ("wishes", "resend", None),
        ("wishes", "apology", None),
    ]
    assert {(each.field, each.value) for each in answers.filed} <= {*FIELDS.possible}


def test_null_is_an_answer_where_none_is_required_and_is_filed_under_nothing() -> None:
    answers = FIELDS.read({**dict.fromkeys(SAID), "urgency": "low"})

    assert answers.values == {**dict.fromkeys(SAID), "urgency": "low"}
    assert [each.field for each in answers.filed] == ["urgency"]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["high", "refund"]),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(), each, max_size=3),
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(SAID, values)))
def test_whatever_a_model_says_is_either_refused_or_within_the_bounds(given: dict[str, Any]) -> None:
    row = {"sentiment_score": 0, "clusters": ["x"], "confidence": 1, "reasoning": "r", "fields": given}
    read = validate_row(row, FIELDS)
    if isinstance(read, Invalid):
        assert read.reason.startswith("fields")
        return
    assert isinstance(read, Analysis)
    assert read.fields is not None
    said = read.fields.values
    assert said.keys() == SAID.keys() == given.keys()
    assert said["urgency"] in {"high", "normal", "low"}
    assert said["refund_amount"] is None or 0 <= said["refund_amount"] <= 5_000  # type: ignore[operator]
    assert said["damaged"] in {None, True, False}
    assert {*(said["wishes"] or ())} <= {"refund", "resend", "apology"}  # type: ignore[misc]
    assert {(each.field, each.value) for each in read.fields.filed} <= {*FIELDS.possible}


def test_a_row_has_no_fields_where_none_are_asked_for() -> None:
    row = {"sentiment_score": 0, "clusters": ["x"], "confidence": 1, "reasoning": "r", "fields": SAID}

    read = validate_row(row, FieldSet())

    assert isinstance(read, Analysis)
    assert read.fields is None


# --- bins of numbers ----------------------------------------------------------------------------------------


@given(st.floats(-FARTHEST, FARTHEST) | st.sampled_from([*EDGES, *(-edge for edge in EDGES), 0, -0.0]))
def test_a_number_is_within_its_bin_and_in_no_other(number: float) -> None:
    name = number_bin(number)
    low, high = bin_bounds(name)

    inside = low < number < high or (number >= low > 0) or (number <= high < 0)
    assert inside
    assert name in bins_between(-FARTHEST, FARTHEST)
    assert name in NumberField(name="n", meaning="m").possible


@given(st.floats(-FARTHEST, FARTHEST), st.floats(-FARTHEST, FARTHEST), st.floats(0, 1))
def test_the_bins_of_a_range_have_all_its_numbers(one: float, other: float, share: float) -> None:
    low, high = sorted((one, other))
    names = bins_between(low, high)

    assert number_bin(min(high, max(low, low + share * (high - low)))) in names
    bounds = [bin_bounds(name) for name in names]
    assert all(first[1] == second[0] for first, second in pairwise(bounds))
    assert len(bins_between(-FARTHEST, FARTHEST)) < 100


def test_a_bin_is_shown_with_the_bound_that_belongs_to_it() -> None:
    labels = [bin_label(number_bin(number)) for number in (-20, -15, 0, 0.01, 10, 1e12)]
    assert labels == [
        "(-50, -20]",
        "(-20, -10]",
        "(-0.01, 0.01)",
        "[0.01, 0.02)",
        "[10, 20)",
        "[500000000000, inf)",
    ]


limits = st.none() | st.sampled_from([0.0, 1.5, 2.0, -20.0, FARTHEST]) | st.floats(-FARTHEST, FARTHEST)


@given(limits, limits, st.sampled_from([0.0, 1.0, 1.5, 2.0, 20.0]) | st.floats(-FARTHEST, FARTHEST))
def test_a_range_takes_whole_bins_only_where_all_of_their_numbers_match(
    minimum: float | None, maximum: float | None, number: float
) -> None:
    asked, name = FieldFilter("refund", None, minimum, maximum), number_bin(number)
    matches = asked.least <= number <= asked.most

    assert asked.has_part_in(name) or not matches
    assert matches or not asked.has_all_of(name)


def test_a_range_from_bin_to_bin_cuts_none() -> None:
    asked = FieldFilter("refund", None, 1.0, 10.0)

    assert [asked.has_all_of(number_bin(number)) for number in (0.5, 1, 2, 5, 10)] == [
        *(False, True, True, True, False)
    ]
    assert all(FieldFilter("refund").has_all_of(name) for name in bins_between(-FARTHEST, FARTHEST))
