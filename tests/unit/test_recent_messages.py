"""The newest messages of chats in memory: bounded in bytes, without gaps, taken in slices."""

from itertools import accumulate, pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.recent_messages import (
    MOST,
    MOST_BYTES,
    SLICE_BYTES,
    Allowance,
    LiveMessage,
    RecentMessages,
)

TEXTS = st.sampled_from([mark * length for mark in "aé😀" for length in (1, 300, 20_000, 300_000)])
BURSTS = st.lists(st.tuples(st.sampled_from([1, 1, 1, 2]), st.lists(TEXTS, max_size=40)), max_size=12)


def messages(texts: list[str], after: int) -> list[LiveMessage]:
    return [LiveMessage(position, text.encode()) for position, text in enumerate(texts, after + 1)]


@given(BURSTS)
def test_what_is_kept_is_bounded_in_bytes_and_has_no_gaps(bursts: list[tuple[int, list[str]]]) -> None:
    """A step of two leaves a gap before the burst."""
    recent, last = RecentMessages(Allowance()), 0
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
    recent = RecentMessages(Allowance())
    all_of_them = messages(texts, 0)
    recent.keep(all_of_them)
    sizes = accumulate(message.size for message in reversed(all_of_them))
    fit = sum(size <= MOST_BYTES for size in sizes)

    assert everything(recent, len(texts)) == all_of_them[len(texts) - min(fit, MOST) :]


def test_who_is_behind_all_that_is_kept_has_to_read() -> None:
    recent = RecentMessages(Allowance())
    assert not recent.is_behind(0)
    recent.keep(messages(["x"] * (MOST + 10), 0))

    assert recent.is_behind(9)
    assert not recent.is_behind(10)
    assert recent.after(9) is None


class PlainMemory:
    """What the chats are to keep, worked out anew after every step: their messages, least recently used chat first."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.chats: list[tuple[int, list[LiveMessage]]] = []

    def of(self, chat: int) -> list[LiveMessage]:
        return dict(self.chats).get(chat, [])

    def put(self, chat: int, kept: list[LiveMessage]) -> None:
        """The chat was used, and keeps these as far as there is room."""
        while total(kept) > MOST_BYTES or len(kept) > MOST:
            kept = kept[1:]
        self.chats = [each for each in self.chats if each[0] != chat] + [(chat, kept)]
        while sum(total(kept) for _, kept in self.chats) > self.most:
            at = next(at for at, (_, kept) in enumerate(self.chats) if kept)
            self.chats[at] = (self.chats[at][0], self.chats[at][1][1:])


def total(kept: list[LiveMessage]) -> int:
    return sum(message.size for message in kept)


CHATS = 4
STEPS = st.lists(
    st.tuples(
        st.integers(0, CHATS - 1),
        st.one_of(
            st.tuples(st.just("keep"), st.lists(TEXTS, max_size=10), st.sampled_from([1, 1, 1, 2])),
            st.tuples(st.sampled_from(["take", "clear"]), st.just([]), st.just(1)),
        ),
    ),
    max_size=40,
)


@given(STEPS, st.sampled_from([0, 500, 100_000, 1_500_000, 8_000_000]))
def test_all_chats_together_keep_what_a_plain_model_keeps(
    steps: list[tuple[int, tuple[str, list[str], int]]], most: int
) -> None:
    allowance, plain = Allowance(most), PlainMemory(most)
    chats, last = [RecentMessages(allowance) for _ in range(CHATS)], [0] * CHATS
    for chat, (what, texts, step) in steps:
        before = plain.of(chat)
        if what == "clear":
            chats[chat].clear()
            plain.put(chat, [])
        elif what == "take" and before:
            assert chats[chat].after(before[-1].position - 1) == before[-1:]
            plain.put(chat, before)
        elif what == "keep":
            new = messages(texts, last[chat] + step - 1)
            chats[chat].keep(new)
            last[chat] = new[-1].position if new else last[chat]
            plain.put(chat, [*before, *new] if step == 1 or not new else new)

        assert allowance.size == sum(each.size for each in chats) <= most
        assert [each.size for each in chats] == [total(plain.of(each)) for each in range(CHATS)]
    assert [contents(each) for each in chats] == [plain.of(each) for each in range(CHATS)]


def contents(recent: RecentMessages) -> list[LiveMessage]:
    last = next((at for at in range(500, -1, -1) if recent.after(at) is not None), -1)
    return everything(recent, last + 1) if last >= 0 else []


def test_the_chat_that_was_used_longest_ago_gives_way_first() -> None:
    [message] = messages(["x" * 1_000], 0)
    allowance = Allowance(2 * message.size)
    first, second, third = (RecentMessages(allowance) for _ in range(3))
    first.keep([message])
    second.keep([message])
    assert first.after(0) == [message]
    third.keep([message])

    assert [each.after(0) for each in (first, second, third)] == [[message], None, [message]]


@given(st.sets(st.integers(1, 40), min_size=1), st.integers(0, 40))
def test_of_messages_with_gaps_between_the_last_without_one_are_kept(
    positions: set[int], before: int
) -> None:
    """Erased messages leave gaps in what is read."""
    recent = RecentMessages(Allowance())
    recent.keep(messages(["x"] * before, 0))
    in_order = sorted(position + before for position in positions)
    recent.keep([LiveMessage(position, b"y") for position in in_order])
    everything_ = [*range(1, before + 1), *in_order]
    first = next((at for at in range(everything_[-1], 0, -1) if at - 1 not in everything_), 1)

    for position in range(everything_[-1]):
        found = recent.after(position)
        if position < first - 1:
            assert found is None
            assert recent.is_behind(position)
        else:
            assert [each.position for each in found or ()] == [*range(position + 1, everything_[-1] + 1)]
