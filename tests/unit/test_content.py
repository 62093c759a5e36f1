"""The JSON of an answer is found in the forms in which models and servers hand it over."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.analysis import Analysis, BatchFault, ProviderFault
from llm.completions import ServerResponse, parse_reply
from llm.content import is_json_object, json_in, text_of
from tests.fake_grok.server import judged

RESULTS: dict[str, Any] = {"results": [{"conversation_id": "1"} | judged("the parcel is late")]}
WRITTEN = json.dumps(RESULTS)
JSON_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
DOCUMENTS = st.dictionaries(
    JSON_TEXT, JSON_TEXT | st.integers() | st.lists(JSON_TEXT, max_size=3), max_size=4
)
PROSE = st.text(st.characters(exclude_characters="{}`[]", exclude_categories=["Cs"]), max_size=40)


@given(DOCUMENTS, PROSE, PROSE)
def test_an_object_is_found_in_prose(document: dict[str, Any], before: str, after: str) -> None:
    answer = {"results": [], **document}

    assert json_in(f"{before}{json.dumps(answer)}{after}", "results") == answer


@given(
    DOCUMENTS, st.sampled_from(["json", "", "JSON", "json5 x"]), st.sampled_from(["", "Sure:\n", "\ufeff"])
)
def test_an_object_is_found_in_a_fence(document: dict[str, Any], language: str, before: str) -> None:
    written = json.dumps(document, indent=2)

    assert json_in(f"{before}```{language}\n{written}\n```\n", "results") == document


@pytest.mark.parametrize(
    "content",
    [
        f" \n{WRITTEN}\n",
        f"\ufeff{WRITTEN}",
        f"Here {{is}} it: {WRITTEN}",
        f'{{"note": "first"}} {WRITTEN}',
        f"{WRITTEN}\n{WRITTEN.replace('late', 'never')}",
        f"<think>{{late?}}</think>{WRITTEN}",
        f"```\n{WRITTEN}\n```",
        f"  ```json\n{WRITTEN}\n  ```  ",
        f"```\nnot this\n```\n```json\n{WRITTEN}\n```",
    ],
)
def test_nearly_right_content_is_read(content: str) -> None:
    assert json_in(content, "results") == RESULTS


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "the content is empty"),
        (" \n", "the content is empty"),
        ("I cannot", "the content is not JSON"),
        (WRITTEN[:-1], "the content is not JSON"),
        (f"```json\n{WRITTEN[:-3]}", "the content is not JSON"),
        ("[" * 100_000, "the answer is nested too deeply"),
        ('{"results":' * 100_000, "the answer is nested too deeply"),
    ],
)
def test_what_is_not_whole_is_refused_in_words(content: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        json_in(content, "results")


@given(st.integers(0, len(WRITTEN) - 1))
def test_a_part_of_an_answer_is_no_answer(length: int) -> None:
    with pytest.raises(ValueError, match="content"):
        json_in(WRITTEN[:length], "results")
    assert not is_json_object(WRITTEN[:length])


@pytest.mark.parametrize("content", ["{" * 2_000_000, '{"a":1,' * 300_000, '{"a":[' + '{"b":1},' * 250_000])
def test_braces_without_end_take_no_time(content: str) -> None:
    began = time.process_time()
    with pytest.raises(ValueError, match="the content is not JSON"):
        json_in(content, "results")

    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("whole", "whole"),
        ([{"type": "text", "text": "who"}, {"type": "text", "text": "le"}], "whole"),
        (["who", {"text": "le"}, {"type": "image_url", "image_url": {}}, {"text": None}, 3, None], "whole"),
        (None, ""),
        ({"text": "an object"}, ""),
        (3, ""),
        ([], ""),
    ],
)
def test_content_is_text_or_parts_with_text(content: object, text: str) -> None:
    assert text_of(content) == text


def completion(content: object = WRITTEN, finish_reason: object = "stop") -> dict[str, Any]:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": content},
        "finish_reason": finish_reason,
    }
    return {"model": "grok-4.3", "choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}


def score(answer: dict[str, Any], *, charset: str = "", encoding: str = "utf-8") -> int:
    headers = {"content-type": f"application/json; charset={charset}" if charset else "application/json"}
    body = json.dumps(answer, ensure_ascii=False).encode(encoding)
    (row,) = parse_reply(ServerResponse(200, headers, body), count=1, model="m").rows
    assert isinstance(row, Analysis)
    return row.score


@pytest.mark.parametrize("reason", ["stop", "STOP", "Stop", " stop ", "end_turn", "END_TURN", None, ""])
def test_every_way_to_say_stop_is_one(reason: str | None) -> None:
    assert score(completion(finish_reason=reason)) == -4_000


@pytest.mark.parametrize(
    ("reason", "content", "outcome"),
    [
        ("length", WRITTEN, "truncated"),
        ("MAX_TOKENS", WRITTEN, "truncated"),
        ("content_filter", WRITTEN, "refused"),
        ("SAFETY", WRITTEN, "refused"),
        ("tool_calls", WRITTEN, "unfinished"),
        (None, WRITTEN[:-2], "unfinished"),
        (None, "", "unfinished"),
        ("STOP", None, "refused"),
    ],
)
def test_every_other_end_is_the_batchs_fault(reason: str | None, content: str | None, outcome: str) -> None:
    with pytest.raises(BatchFault) as caught:
        score(completion(content, reason))

    assert caught.value.outcome == outcome
    assert caught.value.usage is not None


@pytest.mark.parametrize(
    ("charset", "encoding"),
    [
        ("", "utf-8-sig"),
        ("UTF-8", "utf-8"),
        ('"utf8"', "utf-8"),
        ("ISO-8859-1", "latin-1"),
        ("utf-16", "utf-16"),
        ("", "utf-16"),
        ("no-such-charset", "utf-8"),
    ],
)
def test_a_body_is_read_in_its_charset(charset: str, encoding: str) -> None:
    answer = completion(json.dumps(RESULTS | {"note": "schön"}, ensure_ascii=False))

    assert score(answer, charset=charset, encoding=encoding) == -4_000


@pytest.mark.parametrize(
    ("body", "content_type", "words"),
    [
        (b"", "", "the body is empty"),
        (b"<html>my secret", "text/html; charset=x", "the body is not JSON (text/html)"),
        (b"my secret", "", "the body is not JSON (no content type)"),
        (
            b'{"object": "response", "output": "my secret"}',
            "application/json",
            "the body is JSON without choices",
        ),
        (b'{"choices": []}', "application/json", "its choices hold no message"),
        (b'{"code": "busy", "error": "my secret"}', "application/json", "the body is an error: busy"),
    ],
)
def test_what_came_in_place_of_a_completion_is_said_in_words(
    body: bytes, content_type: str, words: str
) -> None:
    with pytest.raises(ProviderFault) as caught:
        parse_reply(ServerResponse(200, {"content-type": content_type}, body), count=1, model="m")

    assert caught.value.detail == f"HTTP 200 OK without a chat completion: {words}"


def test_what_came_for_the_canary_is_quoted() -> None:
    body = b'{"code": "busy", "error": "Try again later"}'
    with pytest.raises(ProviderFault, match="busy Try again later"):
        parse_reply(ServerResponse(200, {}, body), count=1, model="m", quotable=True)
