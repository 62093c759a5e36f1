"""A window and the buckets that make it up."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from buckets import EDGE, bucket_of, cover, start_of, touching
from models import DAY, HOUR, MONTH
from times import parse

LATEST = parse("2100-12-31T23:59:59.999999Z")
moments = st.integers(-(10**15), LATEST)
levels = st.sampled_from([HOUR, DAY, MONTH])
usable = st.sampled_from([(MONTH, DAY, HOUR), (MONTH, DAY), (DAY, HOUR), (HOUR,), ()])


@st.composite
def windows(draw: st.DrawFn) -> tuple[int, int]:
    """Windows of any length, many with an end on a bucket's border."""
    start = draw(moments)
    end = min(start + draw(st.integers(0, 800 * 86_400_000_000)), LATEST)
    if draw(st.booleans()):
        start = start_of(level := draw(levels), bucket_of(level, start))
    if draw(st.booleans()):
        end = start_of(level := draw(levels), bucket_of(level, end))
    return start, end


@given(levels, moments)
def test_a_moment_lies_in_its_bucket(level: int, at: int) -> None:
    bucket = bucket_of(level, at)

    assert start_of(level, bucket) <= at < start_of(level, bucket + 1)


def test_buckets_are_counted_from_1970_in_utc() -> None:
    at = parse("2024-02-29T23:59:59Z")

    assert bucket_of(MONTH, at) == 54 * 12 + 1
    assert start_of(MONTH, bucket_of(MONTH, at) + 1) == parse("2024-03-01")
    assert start_of(DAY, bucket_of(DAY, at)) == parse("2024-02-29")
    assert start_of(HOUR, bucket_of(HOUR, at)) == parse("2024-02-29T23:00:00Z")


@given(windows(), usable)
def test_a_cover_is_the_window_without_gap_or_overlap(
    window: tuple[int, int], usable: tuple[int, ...]
) -> None:
    pieces = [(start_of(s.level, s.first), start_of(s.level, s.end)) for s in cover(*window, usable)]

    assert all(first < end for first, end in pieces)
    assert all(one[1] == other[0] for one, other in pairwise(pieces))
    if window[0] < window[1]:
        assert (pieces[0][0], pieces[-1][1]) == window
    else:
        assert pieces == []


@given(windows())
def test_a_cover_is_at_most_five_spans_and_two_edges_shorter_than_an_hour(window: tuple[int, int]) -> None:
    spans = cover(*window, (MONTH, DAY, HOUR))
    edges = [span for span in spans if span.level == EDGE]

    assert len(edges) <= 2
    assert len(spans) - len(edges) <= 5
    assert all(bucket_of(HOUR, edge.first) + 1 >= bucket_of(HOUR, edge.end - 1) for edge in edges)
    assert all(span.end - span.first <= 62 for span in spans if span.level == DAY)


@given(windows(), levels)
def test_the_buckets_a_window_touches_hold_it_all(window: tuple[int, int], level: int) -> None:
    start, end = window
    touched = touching(level, start, end)

    if start >= end:
        assert not touched
    else:
        assert start_of(level, touched[0]) <= start < start_of(level, touched[0] + 1)
        assert start_of(level, touched[-1]) < end <= start_of(level, touched[-1] + 1)
