"""Where a long chat is cut: everything in exactly one call, in order, and no call over the budget."""

from hypothesis import given
from hypothesis import strategies as st

from domain.summaries import Merge, Message, Stretch
from llm.summary_prompts import user_message
from schemas import MAX_TEXT
from tests.support.summary_data import HEAVIEST, a_message, a_part, the_heaviest_part
from worker.summaries.splitting import ENVELOPE, TOKENS_PER_CALL, Packer, groups, tokens, weight

ROOM = 60
TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), max_size=60)


def numbered(texts: list[str]) -> list[Message]:
    return [a_message(at, text) for at, text in enumerate(texts, 1)]


@given(TEXTS)
def test_every_message_is_in_exactly_one_group_in_order(texts: list[str]) -> None:
    messages = numbered(texts)

    cut = groups(messages, Packer[Message](ROOM))

    assert [message for group in cut for message in group] == messages
    assert all(cut)


@given(TEXTS)
def test_a_group_of_several_is_within_the_room_and_the_next_would_not_have_fitted(texts: list[str]) -> None:
    cut = groups(numbered(texts), Packer[Message](ROOM))

    loads = [sum(map(weight, group)) for group in cut]
    assert all(load <= ROOM for group, load in zip(cut, loads, strict=True) if len(group) > 1)
    firsts = [weight(group[0]) for group in cut[1:]]
    assert all(load + first > ROOM for load, first in zip(loads, firsts, strict=False))


@given(TEXTS, TEXTS)
def test_what_is_appended_changes_only_the_last_group(texts: list[str], more: list[str]) -> None:
    before = groups(numbered(texts), Packer[Message](ROOM))
    after = groups(numbered([*texts, *more]), Packer[Message](ROOM))

    full = before[:-1]
    assert after[: len(full)] == full


@given(TEXTS, st.integers(1, 7))
def test_it_makes_no_difference_in_which_pages_the_messages_come(texts: list[str], size: int) -> None:
    messages = numbered(texts)
    packer = Packer[Message](ROOM)
    pages = [messages[first : first + size] for first in range(0, len(messages), size)]

    cut = [group for page in pages for group in packer.add(page)]
    rest = packer.rest()

    assert [*cut, *([rest] if rest else [])] == groups(messages, Packer[Message](ROOM))


@given(st.lists(st.text(max_size=3_000), min_size=1, max_size=200))
def test_no_user_message_is_over_the_budget(texts: list[str]) -> None:
    for group in groups(numbered(texts * 10), Packer[Message]()):
        assert tokens(user_message(Stretch(group))) <= TOKENS_PER_CALL


def test_the_longest_message_there_is_fits_into_a_call() -> None:
    longest = a_message(50_000, HEAVIEST * MAX_TEXT, role="support_agent")

    assert weight(longest) <= TOKENS_PER_CALL - ENVELOPE
    assert tokens(user_message(Stretch([longest]))) <= TOKENS_PER_CALL


def test_any_two_answers_fit_into_a_call_so_that_merging_comes_to_an_end() -> None:
    parts = [the_heaviest_part(1, 25_000), the_heaviest_part(25_001, 50_000)]

    assert groups(parts, Packer()) == [parts]
    assert tokens(user_message(Merge(parts))) <= TOKENS_PER_CALL


def test_tokens_are_rather_too_many_than_too_few() -> None:
    assert tokens("Where is my parcel, and when will it be here?") == 15  # a tokenizer makes 11 of it
    assert tokens("\u4f60\u597d") == 2
    assert tokens("\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")) == 2
    assert tokens("") == 0


def test_ordinary_answers_are_merged_many_at_a_time() -> None:
    parts = [a_part(at, at) for at in range(1, 101)]

    assert len(groups(parts, Packer())) == 1
