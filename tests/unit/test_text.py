"""What analyzers see of a conversation, which conversations are the same text, and which need no analysis."""

import re
import string
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.text import (
    HEAD,
    MARK,
    MAX_ANALYSED,
    MENTION,
    TAIL,
    URL,
    Excerpt,
    Turn,
    cache_key,
    excerpt,
    excerpt_of_turns,
    line,
    normalised,
    prefilter_reason,
    transcript,
)

# --- transcript and excerpt ---------------------------------------------------------------------------------


def test_a_transcript_has_one_line_a_turn_and_says_who_speaks() -> None:
    turns: list[Turn] = [("customer", "Hi"), ("support_agent", "Hello!"), (None, "Where is it?")]

    assert transcript(turns) == "customer: Hi\nagent: Hello!\ncustomer: Where is it?"


def test_a_text_of_12000_characters_is_sent_whole() -> None:
    text = "x" * MAX_ANALYSED

    assert excerpt(text, str) == Excerpt(text, partial=False)


def test_of_a_longer_text_the_first_4000_and_the_last_8000_characters_are_sent() -> None:
    text = "a" * HEAD + "b" + "c" * TAIL

    cut = excerpt(text, str)

    assert cut.text == "a" * HEAD + f"\n{MARK}\n" + "c" * TAIL
    assert cut.partial


def said(length: int, seed: int) -> str:
    """A text in which every piece is unlike its neighbours."""
    return "".join(f"{seed}.{at} " for at in range(length // 4 + 1))[:length] or "-"


lengths = st.one_of(
    st.integers(1, 200),
    st.integers(1_000, 6_000),
    st.sampled_from([HEAD - 12, HEAD - 11, HEAD - 10, HEAD - 9, TAIL - 11, TAIL - 10, 20_000]),
)
dialogues = st.lists(
    st.tuples(st.sampled_from(["customer", "support_agent", None]), lengths), min_size=1, max_size=12
).map(lambda drawn: [(role, said(length, at)) for at, (role, length) in enumerate(drawn)])


@given(dialogues)
def test_nothing_is_left_out_of_a_dialogue_of_up_to_12000_characters(turns: list[Turn]) -> None:
    cut, whole = excerpt_of_turns(turns, str), transcript(turns)

    assert cut.partial == (len(whole) > MAX_ANALYSED)
    assert cut.partial or cut.text == whole


@given(dialogues)
def test_a_long_dialogue_keeps_its_beginning_and_its_end_and_is_cut_at_turns(turns: list[Turn]) -> None:
    cut = excerpt_of_turns(turns, str)
    if not cut.partial:
        return
    head, tail = (part.split("\n") for part in cut.text.split(f"\n{MARK}\n"))
    lines = [line(turn) for turn in turns]

    assert len("\n".join(head)) <= HEAD
    assert len("\n".join(tail)) <= TAIL
    first, last = lines[: len(head)], lines[-len(tail) :]
    assert head[:-1] == first[:-1]
    assert head[-1] == first[-1] or (len(first[-1]) >= HEAD and first[-1].startswith(head[-1]))
    assert tail[1:] == last[1:]
    assert tail[0] == last[0] or (len(last[0]) >= TAIL and ends_as(tail[0], last[0]))


def ends_as(cut: str, whole: str) -> bool:
    """Whether it is the end of what was said, by the one who said it."""
    who, end = cut.split(": ", 1)
    return whole.startswith(f"{who}: ") and whole.endswith(end)


@given(dialogues)
def test_no_turn_is_left_out_for_which_there_was_room(turns: list[Turn]) -> None:
    cut = excerpt_of_turns(turns, str)
    if not cut.partial:
        return
    lines = [line(turn) for turn in turns]

    head, tail = cut.text.split(f"\n{MARK}\n")
    after = lines[head.count("\n") + 1 :][:1]
    before = lines[: len(lines) - tail.count("\n") - 1][-1:]
    assert len(head) + 1 + sum(map(len, after)) >= HEAD
    assert len(tail) + 1 + sum(map(len, before)) >= TAIL


def test_one_turn_longer_than_everything_is_cut_inside_on_both_sides() -> None:
    said_by_customer = "a" * 10_000 + "b" * 10_000

    cut = excerpt_of_turns(
        [("customer", "Hi"), ("customer", said_by_customer), ("support_agent", "Sorry.")], str
    )

    head, tail = cut.text.split(f"\n{MARK}\n")
    assert head.startswith("customer: Hi\ncustomer: aaa")
    assert len(head) == HEAD - 1
    assert tail.startswith("customer: bbb")
    assert tail.endswith("b\nagent: Sorry.")
    assert len(tail) == TAIL - 1


# --- same text ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Where is my ORDER?", "where is my order?"),
        ("Where  is\n\tmy order? ", " Where is my order?"),
        ("@Shop where is my order?", "@another_shop Where is my order?"),
        ("Where is my order? https://t.co/abc", "where is my order? HTTP://example.org/x?y=1"),
        ("Where is my order? www.example.org", "where is my order? WWW.other.example"),
        ("STRASSE gesperrt", "Straße gesperrt"),
        ("Where is\u00a0my order?", "Where is my order?"),
    ],
)
def test_case_white_space_mentions_and_links_do_not_make_another_text(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)
    assert cache_key(one, "v") == cache_key(other, "v")


pieces = st.sampled_from(
    [
        "Hi",
        "@shop",
        "a@b",
        "http://x.y/z",
        "HTTPS://X",
        "WWW.x",
        "awww.x",
        "://",
        "@",
        " ",
        "\u00a0",
        "\x1c",
        "\n",
        "İ",
        "ß",
    ]
)


@given(st.lists(pieces | st.text(max_size=3), max_size=8).map("".join))
def test_what_is_looked_for_first_is_all_that_is_taken_out(text: str) -> None:
    without = MENTION.sub("", URL.sub("", text))

    assert normalised(text) == re.sub(r"\s+", " ", without).strip().casefold()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Where is my order?", "Where is my order"),
        ("My order is late", "My order is not late"),
        ("Order 123 is late", "Order 124 is late"),
        ("Great 😀", "Great 😡"),
        ("Write to me@example.org", "Write to me@example.com"),
        ("awww.that is sweet", "awww.this is bad"),
        ("customer: Hi", "agent: Hi"),
    ],
)
def test_other_words_are_another_text(one: str, other: str) -> None:
    assert cache_key(one, "v") != cache_key(other, "v")


def test_who_is_asked_and_how_makes_another_key() -> None:
    assert cache_key("Where is it?", "grok-4.3/1") != cache_key("Where is it?", "grok-4.3/2")


words = st.text(string.ascii_letters + string.digits + "!?.,'", min_size=1, max_size=8)
gaps = st.text(" \n\t\u3000", min_size=1, max_size=3)


@given(st.lists(words, min_size=1, max_size=6), st.lists(gaps, min_size=5, max_size=5), st.booleans())
def test_words_make_a_text_whatever_is_between_them(parts: list[str], between: list[str], loud: bool) -> None:
    spread = parts[0] + "".join(gap + part for gap, part in zip(between, parts[1:], strict=False))

    assert cache_key(spread.upper() if loud else spread, "v") == cache_key(" ".join(parts).lower(), "v")


# --- prefilter ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("too_short", "ok"),
        ("too_short", "Thanks!!! 😀"),
        ("too_short", "No."),
        ("too_short", "😡😡😡"),
        ("too_short", "x" * 19),
        ("too_short", "คุณภาพแย่มาก"),  # Thai spells its words with letters
        ("too_short", "包裹没有收到"),
        ("too_short", "ㅋㅋㅋㅋㅋㅋㅋㅋ"),
        ("too_short", "。、！？。、！？"),
        ("only_links_and_mentions", "@a @b https://x.y"),
        ("only_links_and_mentions", "https://example.org/a/very/long/path?with=words"),
        ("only_links_and_mentions", "HTTPS://EXAMPLE.ORG/A/LONG/PATH"),
        ("only_links_and_mentions", "@first_shop, @second_shop: www.example.org!"),
        ("only_links_and_mentions", "@shop"),
        ("thanks", "Thank you so much for your help!"),
        ("thanks", "@Shop THANKS, thanks a lot 🙏 https://t.co/x"),
        ("thanks", "ok great, all sorted now. Cheers guys"),
        ("thanks", "Perfect, got it. Appreciate the help, have a nice day"),
        ("thanks", "thx thx thx thx thx thx"),
        ("thanks", "Thanks so much for your help today!"),
        ("thanks", "Thank you very much for all your support this morning."),
        ("thanks", "Thanks again team, truly appreciated 🙏"),
        ("thanks", "Thank you for the assistance yesterday, so much appreciated"),
    ],
)
def test_what_says_nothing_is_not_worth_asking_about(reason: str, text: str) -> None:
    assert prefilter_reason([text]) == reason


@pytest.mark.parametrize(
    "text",
    [
        "Thank you so much, but my bag is still lost",
        "Thanks for nothing, I am never flying with you again",
        "Thanks a lot for the delay",
        "Thanks for nothing today, team!",
        "Thanks. So much for your help today!",
        "So much for your support, thanks",
        "Thanks for your help today, but it broke again",
        "Thanks for your quick reply after three weeks",
        "Thanks, no help at all today",
        "Have you fixed it now? Thanks again",
        "Thank you, you will do that again?",
        "x" * 20,
        "@shop where is it? https://t.co/abc",
        "@a_shop_with_a_long_name 😡",
        "https://example.org/broken 👎👎👎",
        "Great, it is all done now for you",
        "Спасибо, но посылка так и не пришла",
        "荷物がまだ届いていません、どうなっていますか",
        "我的包裹三天了还没有收到",
        "包裹还没有收到",
        "𠮷野家の弁当𰻞𱍊",
        "荷物がまだ届かないんですが",
        "ﾆﾓﾂｶﾞﾏﾀﾞﾄﾄﾞｷﾏｾﾝ",
        "택배가 아직도 안 왔어요",
        unicodedata.normalize("NFD", "택배가 안왔어요"),
        "订单 A1 没到，太慢",
        "write to someone@example.org",
        "1234567890 1234567890",
        "no no no no no no no no",
    ],
)
def test_what_says_something_is_worth_asking_about(text: str) -> None:
    assert prefilter_reason([text]) is None


def test_a_dialogue_is_judged_as_a_whole() -> None:
    assert prefilter_reason(["Hi", "Hello, how can we help?"]) is None
    assert prefilter_reason(["Thanks a lot!", "You're welcome"]) is None
    assert prefilter_reason(["ok", "ok", "bye"]) == "too_short"
    assert prefilter_reason(["Thank you very much", "thanks", "thanks again"]) == "thanks"
    assert prefilter_reason(["@one", "@two https://example.org"]) == "only_links_and_mentions"


@given(st.lists(st.text(max_size=40), min_size=1, max_size=4))
def test_any_text_gets_a_reason_or_none(texts: list[str]) -> None:
    assert prefilter_reason(texts) in (None, "too_short", "only_links_and_mentions", "thanks")
