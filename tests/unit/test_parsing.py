"""Bodies: what is taken, and the 400 of everything else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from starlette.requests import Request

from api.errors import ApiError
from api.parsing import parse_body, read_json
from schemas import BulkConversations, Code, Conversation, SocketFrame
from tests.support.rows import LATE

ONE: TypeAdapter[Conversation] = TypeAdapter(Conversation)
MANY: TypeAdapter[BulkConversations] = TypeAdapter(BulkConversations)
SECRET = "hunter2"
NOT_JSON = "The body is not valid JSON: "
TURN = {"text": LATE}


def refusal(body: Any, adapter: TypeAdapter[Any] = ONE) -> Any:
    """The details of the 400 that the body gets."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(ApiError) as refused:
        parse_body(adapter, sent)
    assert refused.value.code is Code.INVALID_SCHEMA
    assert refused.value.status_code == 400
    return refused.value.details


def test_a_text_alone_is_a_conversation() -> None:
    assert parse_body(ONE, b'{"text": "Where is it?"}').text == "Where is it?"


def test_a_body_that_is_nested_too_deeply_says_so() -> None:
    body = '{"text": "a", "raw_data": ' + '{"a": ' * 300 + "1" + "}" * 301
    said = "The body is nested too deeply: objects and arrays may have at most 200 levels"
    assert refusal(body.encode()) == said


def test_as_deep_as_it_says_is_fine() -> None:
    body = '{"text": "a", "raw_data": ' + '{"a":' * 198 + "1" + "}" * 199
    assert parse_body(ONE, body.encode()).text == "a"


@pytest.mark.parametrize("ref", [True, 1.5, None.__class__.__name__ * 64, {}, [1]])
def test_a_ref_of_another_kind_is_refused_in_plain_words(ref: object) -> None:
    frame = json.dumps({"type": "ping", "ref": ref}).encode()
    said = "ref: must be a text of up to 255 characters or a whole number"
    assert refusal(frame, TypeAdapter(SocketFrame)) == said.replace("ref:", "ping.ref:")


def test_a_missing_text_is_called_that() -> None:
    assert refusal({}) == "Missing required field: text"
    assert refusal({"author": "someone", "text": None}) == "Missing required field: text"


@pytest.mark.parametrize(
    ("body", "details"),
    [
        ({"text": LATE, "colour": SECRET}, "Unknown field: colour"),
        ({"text": LATE, "author_id": SECRET}, "Unknown field: author_id"),
        ({"messages": [{**TURN, "colour": SECRET}]}, "Unknown field: messages[0].colour"),
        ({"text": LATE, "messages": [TURN]}, "give either text or messages, not both"),
        ({"messages": [TURN], "author": SECRET}, "author goes with text only; each message names its own"),
        ({"text": ""}, "text: must have at least 1 character"),
        ({"text": " \n\u3000"}, "text is only white space"),
        ({"messages": [{"text": " "}, {"text": "\t"}]}, "messages is only white space"),
        ({"text": SECRET * 3_000}, "text: must have at most 20000 characters"),
        (
            {"messages": [TURN, {"text": "x" * 20_001}]},
            "messages[1].text: must have at most 20000 characters",
        ),
        ({"messages": [TURN, {}]}, "Missing required field: messages[1].text"),
        ({"messages": [SECRET]}, "messages[0]: must be a JSON object"),
        ({"messages": SECRET}, "messages: must be an array"),
        (
            {"messages": [{**TURN, "role": SECRET}]},
            "messages[0].role: must be customer or support_agent (or user, end-user; agent, assistant, bot, admin)",
        ),
        (
            {"messages": [{**TURN, "role": "customer", "inbound": False}]},
            "messages[0].role: disagrees with inbound",
        ),
        ({"messages": [{**TURN, "inbound": "true"}]}, "messages[0].inbound: must be true or false"),
        (
            {"messages": [{**TURN, "message_content": SECRET}]},
            "Unknown field: messages[0].message_content (or a second name for one that was sent)",
        ),
        (
            {"messages": [{**TURN, "author": "a", "user_id": SECRET}]},
            "Unknown field: messages[0].user_id (or a second name for one that was sent)",
        ),
        (
            {"text": LATE, "raw": {}, "raw_data": {}},
            "Unknown field: raw (or a second name for one that was sent)",
        ),
        (
            {"messages": [{**TURN, "message_id": "1"}, {**TURN, "message_id": "1"}]},
            "a message_id appears twice in messages",
        ),
        ({"text": LATE, "author": "x" * 256}, "author: must have at most 255 characters"),
        ({"text": LATE, "external_id": ""}, "external_id: must have at least 1 character"),
        ({"text": LATE, "external_id": "x" * 256}, "external_id: must have at most 255 characters"),
        ({"text": LATE, "external_id": 7}, "external_id: must be a string"),
        ({"text": [SECRET]}, "text: must be a string"),
        ({"text": LATE, "raw_data": [SECRET]}, "raw_data: must be a JSON object"),
        ({"text": LATE, "raw_data": {"a": "x" * 65_536}}, "raw_data: is over 64 KB"),
        ({"text": LATE, "raw": {"a": "ü" * 32_768}}, "raw: is over 64 KB"),
        ({"text": LATE, "metadata": {"a": "x" * 16_384}}, "metadata: is over 16 KB"),
        (
            {"text": LATE, "timestamp": SECRET},
            "timestamp: must be an ISO 8601 time such as 2025-01-20T10:00:00Z",
        ),
        ({"text": LATE, "timestamp": "1969-12-31"}, "timestamp: must be in the years 1970 to 2100"),
        ({"text": LATE, "colour": 1, "author": 2}, "author: must be a string; Unknown field: colour"),
        (None, "must be a JSON object"),
        (7, "must be a JSON object"),
        (SECRET, "must be a JSON object"),
        ([], "must be a JSON object"),
        ([TURN], "must be a JSON object"),
    ],
)
def test_what_is_wrong_is_named_and_not_repeated(body: Any, details: str) -> None:
    assert refusal(body) == details
    assert SECRET not in details


@pytest.mark.parametrize("moment", [1_737_367_200, 1.5, True, {}, ["2025-01-20"]])
def test_a_time_is_text(moment: Any) -> None:
    assert refusal({"text": LATE, "timestamp": moment}) == "timestamp: must be an ISO 8601 string"


@pytest.mark.parametrize(
    "id_", ["", "two words", "-begins", ".begins", "a/b", "ends\n", "ü", "a" * 129, "a\u00a0b"]
)
def test_a_chosen_id_has_128_plain_characters_at_most(id_: str) -> None:
    assert refusal({"text": LATE, "conversation_id": id_}).startswith("conversation_id: must match pattern")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_json_has_no_number_for_is_refused(number: str) -> None:
    body = '{"text": "Where is it?", "%s": {"a": [%s]}}'

    for field in ("raw_data", "metadata"):
        details = refusal((body % (field, number)).encode())
        assert details == f"{field}: NaN and Infinity are not JSON"


def test_a_number_of_5000_digits_is_refused_and_one_of_400_kept() -> None:
    body = '{"text": "Where is it?", "raw_data": {"a": %s}}'

    assert refusal((body % ("9" * 5_000)).encode()).startswith(NOT_JSON)
    assert parse_body(ONE, (body % ("9" * 400)).encode()).raw_data == {"a": int("9" * 400)}


NO_JSON = {
    "nothing": b"",
    "words": b"Where is it?",
    "unclosed": b'{"text": "Where is it?"',
    "closed twice": b'{"text": "Where is it?"}}',
    "not UTF-8": b'{"text": "\xff"}',
    "UTF-16": '{"text": "Where is it?"}'.encode("utf-16"),
    "a raw NUL": b'{"text": "a raw \x00 character"}',
    "half an escape": b'{"text": "half an escape \\ud83"}',
    "deep": b'{"text": "Where is it?", "raw_data": ' + b'{"a":' * 500 + b"1" + b"}" * 501,
    "deeper": b"[" * 100_000 + b"]" * 100_000,
    "deep and unclosed": b'{"a":' * 100_000,
}


@pytest.mark.parametrize("what", NO_JSON)
def test_what_is_no_json_is_refused_however_deep_it_is(what: str) -> None:
    assert refusal(NO_JSON[what]).startswith((NOT_JSON, "The body is nested too deeply"))
    assert refusal(NO_JSON[what], MANY).startswith((NOT_JSON, "The body is nested too deeply"))


@pytest.mark.parametrize("depth", range(150, 1_000, 50))
@pytest.mark.parametrize(("open_", "close"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_a_bad_text_at_any_depth_is_a_400(depth: int, open_: bytes, close: bytes) -> None:
    body = (
        b'{"text": "Where is it?", "raw_data": {"b": ' + open_ * depth + b'"\\u0000"' + close * depth + b"}}"
    )

    details = refusal(body)

    assert details.startswith((NOT_JSON, "The body is nested too deeply", "raw_data.b"))


# --- what no database can hold ------------------------------------------------------------------------------

BAD = {"\\u0000": "U+0000 is not allowed", "\\ud800": "lone surrogates are not allowed"}
PLACES = {
    '{"text": "Where %s is it?"}': "text: ",
    '{"messages": [{"text": "Hi"}, {"text": "%s"}]}': "messages[1].text: ",
    '{"messages": [{"text": "Hi", "author_id": "%s"}]}': "messages[0].author_id: ",
    '{"text": "Where is it?", "author": "%s"}': "author: ",
    '{"text": "Where is it?", "external_id": "%s"}': "external_id: ",
    '{"text": "Where is it?", "raw_data": {"x": {"y": ["", 1, "ä%s"]}}}': "raw_data.x.y[2]: ",
    '{"text": "Where is it?", "metadata": {"x": "%s"}}': "metadata.x: ",
    '{"text": "Where is it?", "colour": "%s"}': "colour: ",
}
NAMES = {
    '{"text": "Where is it?", "raw_data": {"x": [{"%s": 1}]}}': "raw_data.x[0]: ",
    '{"text": "Where is it?", "metadata": {"hunter2%s": 1}}': "metadata: ",
    '{"text": "Where is it?", "%s": 1}': "",
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("place", PLACES)
def test_nul_and_lone_surrogates_are_refused_wherever_they_are(place: str, bad: str) -> None:
    assert refusal((place % bad).encode()) == PLACES[place] + BAD[bad]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("place", NAMES)
def test_they_are_refused_in_names_too(place: str, bad: str) -> None:
    assert refusal((place % bad).encode()) == f"{NAMES[place]}{BAD[bad]} in a name"


def test_a_surrogate_in_raw_bytes_is_refused_like_one_in_an_escape() -> None:
    assert refusal(b'{"text": "Where is \xed\xa0\x80 it?"}') == "text: lone surrogates are not allowed"


def test_pairs_of_surrogates_and_spelt_out_escapes_are_fine() -> None:
    sent = parse_body(ONE, b'{"text": "\\ud83d\\ude00 is no \\\\u0000 and no \\\\ud800"}')

    assert sent.text == "😀 is no \\u0000 and no \\ud800"


def test_a_long_name_is_cut_in_the_complaint() -> None:
    details = refusal({"text": LATE, "raw_data": {"n" * 60_000: "\0"}})

    assert len(details) < 200
    assert details.endswith("U+0000 is not allowed")


# --- bulk ---------------------------------------------------------------------------------------------------


def test_every_bad_item_of_a_bulk_is_listed_by_its_index() -> None:
    body = b"""[{"text": "fine"}, {}, {"text": "a\\u0000"}, 5, {"text": "b\\ud800"}, {"text": "fine"},
                {"text": "ok", "metadata": {"\\udfff": 1}}, {"colour": 1}]"""

    assert refusal(body, MANY) == [
        {"index": 1, "error": "Missing required field: text"},
        {"index": 2, "error": "text: U+0000 is not allowed"},
        {"index": 3, "error": "must be a JSON object"},
        {"index": 4, "error": "text: lone surrogates are not allowed"},
        {"index": 6, "error": "metadata: lone surrogates are not allowed in a name"},
        {"index": 7, "error": "Unknown field: colour"},
    ]


def test_nul_beside_another_mistake_hides_neither() -> None:
    assert refusal(b'[{"text": "a\\u0000"}, {"colour": 1, "text": "b"}]', MANY) == [
        {"index": 0, "error": "text: U+0000 is not allowed"},
        {"index": 1, "error": "Unknown field: colour"},
    ]


def test_nul_alone_in_a_bulk_is_listed() -> None:
    assert refusal(b'[{"text": "fine"}, {"text": "a\\u0000"}]', MANY) == [
        {"index": 1, "error": "text: U+0000 is not allowed"}
    ]


def test_a_bulk_has_1_to_500_items() -> None:
    assert len(parse_body(MANY, json.dumps([TURN] * 500).encode())) == 500
    assert refusal([], MANY).startswith("must have at least 1 item")
    assert refusal([TURN] * 501, MANY).startswith("must have at most 500 items")
    assert refusal({"text": LATE}, MANY) == "must be an array"


def test_a_surrogate_in_a_bulk_that_is_too_long_is_still_a_400() -> None:
    body = json.dumps([TURN] * 600 + [{"text": "\ud800"}]).encode()

    assert refusal(body, MANY).startswith("must have at most 500 items")


documents = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
likely = st.dictionaries(
    st.sampled_from(
        ["text", "messages", "author", "timestamp", "raw", "raw_data", "metadata", "external_id"]
    ),
    documents,
    max_size=4,
)


def refused(adapter: TypeAdapter[Any], body: bytes) -> ApiError | None:
    try:
        parse_body(adapter, body)
    except ApiError as error:
        return error
    return None


@given(documents | likely | st.lists(likely, max_size=3))
def test_any_document_is_a_conversation_or_a_400(document: Any) -> None:
    body = json.dumps(document).encode()
    for adapter in (ONE, MANY):
        refusal = refused(adapter, body)
        assert refusal is None or (refusal.code is Code.INVALID_SCHEMA and json.dumps(refusal.envelope()))


@given(st.binary(max_size=60))
def test_any_bytes_are_a_conversation_or_a_400(body: bytes) -> None:
    assert refused(ONE, body) is not None
    assert refused(MANY, body) is not None


# --- the body -----------------------------------------------------------------------------------------------


def request(content_type: str | None, body: bytes = b"{}") -> Request:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [] if content_type is None else [(b"content-type", content_type.encode())]
    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


@pytest.mark.parametrize(
    "said",
    [
        "application/json",
        "APPLICATION/JSON; charset=utf-8",
        "application/problem+json",
        "application/json;x=y",
    ],
)
async def test_a_body_that_is_said_to_be_json_is_read(said: str) -> None:
    assert await read_json(request(said, b"[1]")) == b"[1]"


@pytest.mark.parametrize("said", [None, "", "text/plain", "application/jsonp", "text/json+json", "json"])
async def test_a_body_that_is_not_said_to_be_json_is_a_415(said: str | None) -> None:
    with pytest.raises(ApiError) as refused:
        await read_json(request(said))

    assert refused.value.code is Code.UNSUPPORTED_MEDIA_TYPE
    assert refused.value.status_code == 415
