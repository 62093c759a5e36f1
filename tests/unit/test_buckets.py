"""A window and the buckets that make it up."""

from hypothesis import given
from hypothesis import strategies as st

from core.clock import parse
from domain.buckets import DAY, EDGE, HOUR, MICROSECONDS, MONTH, bucket_of, cover, start_of, touching

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
def test_the_pieces_of_a_cover_add_up_to_the_window(window: tuple[int, int], usable: tuple[int, ...]) -> None:
    pieces = [(start_of(s.level, s.first), start_of(s.level, s.end), s.sign) for s in cover(*window, usable)]
    borders = sorted({*window, *(at for piece in pieces for at in piece[:2])})

    assert all(first < end for first, end, _ in pieces)
    for at in borders[:-1]:
        times = sum(sign for first, end, sign in pieces if first <= at < end)
        assert times == (window[0] <= at < window[1])


@given(windows())
def test_a_cover_is_at_most_five_spans_and_an_hour_at_the_edges(window: tuple[int, int]) -> None:
    spans = cover(*window, (MONTH, DAY, HOUR))
    edges = [span for span in spans if span.level == EDGE]

    assert all(sum(span.level == level for span in spans) <= 2 for level in (DAY, HOUR, EDGE))
    assert sum(span.level == MONTH for span in spans) <= 1
    assert sum(edge.end - edge.first for edge in edges) <= MICROSECONDS[HOUR]
    assert sum(span.end - span.first for span in spans if span.level == HOUR) <= 24
    assert sum(span.end - span.first for span in spans if span.level == DAY) <= 31


@given(windows(), usable)
def test_a_cover_reads_no_more_than_the_window_would(
    window: tuple[int, int], usable: tuple[int, ...]
) -> None:
    outside = [span for span in cover(*window, usable) if span.sign < 0]

    assert sum(start_of(s.level, s.end) - start_of(s.level, s.first) for s in outside) <= max(
        0, window[1] - window[0]
    )


@given(windows(), levels)
def test_the_buckets_a_window_touches_hold_it_all(window: tuple[int, int], level: int) -> None:
    start, end = window
    touched = touching(level, start, end)

    if start >= end:
        assert not touched
    else:
        assert start_of(level, touched[0]) <= start < start_of(level, touched[0] + 1)
        assert start_of(level, touched[-1]) < end <= start_of(level, touched[-1] + 1)
