"""Rows of a model's answer, believed or not; slugs and sentiment bands."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.analysis import Analysis, Invalid, sentiment_of
from domain.row_validation import validate_row
from domain.text import storable
from domain.topics import BUILT_IN, slug

GOOD: dict[str, Any] = {
    "sentiment_score": -0.65,
    "clusters": ["delivery_problems"],
    "confidence": 0.9,
    "reasoning": "Still waiting for an order.",
}
ANY_TEXT = st.text(st.characters())  # lone surrogates and NUL too
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=8,
)


def believed(**changes: Any) -> Analysis:
    row = validate_row(GOOD | changes)
    assert isinstance(row, Analysis), row
    return row


def test_a_good_row_is_taken_as_it_is() -> None:
    row = believed()

    assert (row.score, row.confidence, row.clusters) == (-6_500, 90, ("delivery_problems",))
    assert row.reasoning == GOOD["reasoning"]
    assert json.loads(row.raw) == GOOD


@given(st.dictionaries(st.sampled_from([*GOOD, "extra"]), JSON))
def test_whatever_a_model_writes_is_a_row_within_its_bounds_or_invalid(row: dict[str, Any]) -> None:
    found = validate_row(row)

    if isinstance(found, Invalid):
        assert found.reason
        return
    assert -10_000 <= found.score <= 10_000
    assert 0 <= found.confidence <= 100
    assert 1 <= len(found.clusters) <= 5
    assert len(set(found.clusters)) == len(found.clusters)
    assert all(name == slug(name) != "" for name in found.clusters)
    assert 1 <= len(found.reasoning) <= 1_000
    found.reasoning.encode()


@given(st.floats(-1, 1))
def test_a_score_in_range_is_kept_to_four_decimals(score: float) -> None:
    assert abs(believed(sentiment_score=score).score / 10_000 - score) <= 0.000_05 + 1e-12


@given(st.floats(allow_nan=True).filter(lambda score: not -1 <= score <= 1))
def test_a_score_out_of_range_is_asked_again_and_not_clamped(score: float) -> None:
    found = validate_row(GOOD | {"sentiment_score": score})

    assert isinstance(found, Invalid)
    assert found.reason == "sentiment_score is outside [-1, 1]"


@pytest.mark.parametrize(
    ("confidence", "percent"), [(0, 0), (1, 100), (0.29, 29), (1.05, 100), (-0.05, 0), (0.555, 56)]
)
def test_confidence_is_a_percent_and_a_little_outside_is_clamped(confidence: float, percent: int) -> None:
    assert believed(confidence=confidence).confidence == percent


@pytest.mark.parametrize(
    "confidence", [1.06, -0.06, 90, float("nan"), float("inf"), "0.9", True, None, [0.9]]
)
def test_any_other_confidence_is_invalid(confidence: object) -> None:
    assert isinstance(validate_row(GOOD | {"confidence": confidence}), Invalid)


@pytest.mark.parametrize("field", list(GOOD))
def test_no_field_is_filled_with_a_default(field: str) -> None:
    row = {name: value for name, value in GOOD.items() if name != field}

    for incomplete in (row, row | {field: None}):
        found = validate_row(incomplete)
        assert isinstance(found, Invalid)
        assert field in found.reason


def test_clusters_are_slugs_without_doubles_and_at_most_five() -> None:
    names = ["Delivery Problems", "delivery_problems", "!!", 7, "Größe", "a", "b", "c", "d"]

    assert believed(clusters=names).clusters == ("delivery_problems", "größe", "a", "b", "c")


@given(ANY_TEXT)
def test_a_slug_is_short_lower_case_and_its_own_slug(text: str) -> None:
    found = slug(text)

    assert len(found) <= 64
    assert slug(found) == found
    assert not found.startswith("_")
    assert not found.endswith("_")
    assert all(letter.isalnum() or letter == "_" for letter in found)
    found.encode()


def test_the_built_in_topics_are_slugs_with_a_meaning() -> None:
    assert all(slug(name) == name and meaning for name, meaning in BUILT_IN.items())


def test_long_reasoning_is_cut() -> None:
    assert believed(reasoning="x" * 5_000).reasoning == "x" * 1_000


@given(ANY_TEXT)
def test_what_is_storable_has_no_nul_and_encodes(text: str) -> None:
    stored = storable(text)

    assert "\0" not in stored
    assert len(stored.encode().decode()) == len(text)
    assert storable(stored) == stored


@pytest.mark.parametrize(
    ("score", "sentiment"),
    [(10_000, 1), (2_001, 1), (2_000, 0), (0, 0), (-2_000, 0), (-2_001, -1), (-10_000, -1)],
)
def test_the_bands_lie_at_a_fifth_and_their_bounds_are_neutral(score: int, sentiment: int) -> None:
    assert sentiment_of(score) == sentiment
