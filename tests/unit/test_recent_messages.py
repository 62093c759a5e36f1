"""The newest messages of a chat in memory: bounded in bytes, without gaps, taken in slices."""

from itertools import accumulate, pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.recent_messages import MOST, MOST_BYTES, SLICE_BYTES, LiveMessage, RecentMessages

TEXTS = st.sampled_from([mark * length for mark in "aé😀" for length in (1, 300, 20_000, 300_000)])
BURSTS = st.lists(st.tuples(st.sampled_from([1, 1, 1, 2]), st.lists(TEXTS, max_size=40)), max_size=12)


def messages(texts: list[str], after: int) -> list[LiveMessage]:
    return [LiveMessage(position, text) for position, text in enumerate(texts, after + 1)]


@given(BURSTS)
def test_what_is_kept_is_bounded_in_bytes_and_has_no_gaps(bursts: list[tuple[int, list[str]]]) -> None:
    """A step of two leaves a gap before the burst."""
    recent, last = RecentMessages(), 0
    for step, texts in bursts:
        new = messages(texts, last + step - 1)
        recent.keep(new)
        last = new[-1].position if new else last
        kept = everything(recent, last)

        assert recent.size == sum(message.size for message in kept) <= MOST_BYTES
        assert len(kept) <= MOST
        assert all(later.position == earlier.position + 1 for earlier, later in pairwise(kept))
        assert not new or not kept or kept[-1] == new[-1]


def everything(recent: RecentMessages, last: int) -> list[LiveMessage]:
    """All that is kept, slice by slice."""
    position = next((at for at in range(last + 1) if recent.after(at) is not None), last)
    found: list[LiveMessage] = []
    while (part := recent.after(position)) is not None:
        assert part
        assert sum(message.size for message in part) <= SLICE_BYTES or len(part) == 1
        found += part
        position = part[-1].position
    assert position == last
    return found


@given(st.lists(TEXTS, min_size=1, max_size=400))
def test_the_newest_are_kept_as_far_as_they_fit(texts: list[str]) -> None:
    recent = RecentMessages()
    all_of_them = messages(texts, 0)
    recent.keep(all_of_them)
    sizes = accumulate(message.size for message in reversed(all_of_them))
    fit = sum(size <= MOST_BYTES for size in sizes)

    assert everything(recent, len(texts)) == all_of_them[len(texts) - min(fit, MOST) :]


def test_who_is_behind_all_that_is_kept_has_to_read() -> None:
    recent = RecentMessages()
    assert not recent.is_behind(0)
    recent.keep(messages(["x"] * (MOST + 10), 0))

    assert recent.is_behind(9)
    assert not recent.is_behind(10)
    assert recent.after(9) is None
