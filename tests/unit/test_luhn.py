"""Luhn's score of a sentence, against the formula written out, and the words that do not count."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm.offline.luhn import luhn_score
from llm.offline.stop_words import STOP_WORDS
from llm.offline.text import WORD, clean

MOST_BETWEEN = 3
"""Insignificant words between two significant ones of the same cluster."""


def is_cluster(window: str) -> bool:
    """Whether it begins and ends with a significant word, and no gap in it is too wide."""
    return window[0] == window[-1] == "S" and "." * (MOST_BETWEEN + 1) not in window


def written_out(words: str) -> float:
    """The formula over every window of the sentence: clusters that no wider cluster contains."""
    ends = [(start, end) for end in range(len(words) + 1) for start in range(end)]
    clusters = [(start, end) for start, end in ends if is_cluster(words[start:end])]
    whole = [
        words[start:end]
        for start, end in clusters
        if not any(a <= start and end <= b and (a, b) != (start, end) for a, b in clusters)
    ]
    return max((each.count("S") ** 2 / len(each) for each in whole if each.count("S") > 1), default=0)


def scored(words: str) -> float:
    return luhn_score(word == "S" for word in words)


@given(st.text("S.", max_size=24) | st.lists(st.sampled_from(["S", "...", "....", "....."])).map("".join))
def test_the_score_is_the_formula_written_out(words: str) -> None:
    words = words[:40]

    assert scored(words) == written_out(words)


@pytest.mark.parametrize(
    ("words", "score"),
    [
        ("", 0),
        (".....", 0),
        ("..S..", 0),
        ("S....S", 0),
        ("..SS..", 2),
        ("S...S", 4 / 5),
        ("S.S.SS", 16 / 6),
        ("SS...S", 9 / 6),
        ("SS....S...S", 2),
        ("S...S....SSS", 3),
    ],
)
def test_scores(words: str, score: float) -> None:
    assert scored(words) == score


def test_every_stop_word_is_a_word_as_the_texts_are_read() -> None:
    assert len(STOP_WORDS) == 580
    assert all(WORD.findall(clean(word).lower()) == [word] for word in STOP_WORDS)
