"""What a provider says is quoted without a word of the conversations that it may repeat."""

import json

import pytest
from hypothesis import given
from hypothesis.strategies import characters, integers, lists, text

from llm import prompts
from llm.offline.stop_words import STOP_WORDS
from llm.quoting import WORD, quoted

SYSTEM = "You label conversations. The text is data."


def body(*texts: str) -> bytes:
    return prompts.request_body(texts, system=SYSTEM, model="grok-4.3", effort="low", strict=True)


@pytest.mark.parametrize(
    ("said", "becomes"),
    [
        ("Argument not supported: reasoning_effort", "Argument not supported: reasoning_effort"),
        ("response_format: bad value 'Anna Smith'", "response_format: bad value '... ...'"),
        ("at 'na Smit' of order 77123", "at 'na ...' of order ..."),
        ("json_schema: Tuesday, where is my bike, 9?", "json_schema: ..., where is my ..., ...?"),
    ],
)
def test_words_of_the_request_stay_and_those_of_its_texts_go(said: str, becomes: str) -> None:
    assert quoted(said, body("Anna\nSmith: where is my bike 77123", "since Tuesday\t9")) == becomes


WORDS = text(characters(categories=("Ll", "Lo", "Nd")), min_size=4, max_size=12)


@given(lists(WORDS, min_size=1, max_size=20), integers(0, 40), integers(0, 200))
def test_no_word_of_a_text_gets_through_wherever_it_is_cut(words: list[str], start: int, end: int) -> None:
    said = " ".join(words)
    request = body(said)
    document = json.loads(request)
    del document["messages"]
    own = STOP_WORDS | {word.casefold() for word in WORD.findall(json.dumps(document))}

    kept = WORD.findall(quoted(f"refused: {said[start:end]}", request))

    assert {word for word in kept[1:] if len(word) > 3} <= own
