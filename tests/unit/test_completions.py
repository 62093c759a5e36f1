"""What an answer means, whatever a server may write in it."""

import json
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.analysis import (
    BatchFault,
    CallFailed,
    Denied,
    Invalid,
    ProviderFault,
    RateLimited,
    Reply,
)
from llm.completions import (
    ServerResponse,
    classify_error,
    one_line,
    parse_error,
    parse_reply,
    retry_after,
)

NOW = 1_795_000_000.0
KEY = "xai-0123456789abcdef"
KINDS = {"RateLimited", "ProviderFault", "Denied", "BatchFault", "SchemaRefused"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
COMPLETIONS = st.fixed_dictionaries(
    {},
    optional={
        "choices": JSON
        | st.lists(
            st.fixed_dictionaries(
                {"message": JSON | st.fixed_dictionaries({"content": JSON}, optional={"refusal": JSON})},
                optional={"finish_reason": JSON | st.sampled_from(["stop", "length"])},
            ),
            max_size=2,
        ),
        "usage": JSON,
        "model": JSON,
        "error": JSON,
    },
)


def fault(status: int, body: str | bytes = b"", headers: dict[str, str] | None = None) -> CallFailed:
    written = body.encode() if isinstance(body, str) else body
    return classify_error(ServerResponse(status, headers or {}, written), secrets=[KEY], now=NOW)


def completion(message: dict[str, Any], **more: Any) -> ServerResponse:
    document = {"choices": [{"message": message, "finish_reason": "stop"}]} | more
    return ServerResponse(200, {"x-request-id": "r-1"}, json.dumps(document).encode())


def read(answer: ServerResponse, count: int) -> Reply | CallFailed:
    try:
        return parse_reply(answer, count=count, model="grok-4.3")
    except CallFailed as error:
        return error


@pytest.mark.parametrize(
    ("status", "said", "kind", "outcome"),
    [
        (400, "Incorrect API key provided: xa***ef. Get one from the console.", Denied, "credentials"),
        (400, "API key not valid. Please pass a valid one.", Denied, "credentials"),
        (400, "The model grok-9 does not exist or your team has no access to it.", Denied, "model"),
        (400, "Unknown model grok-9", Denied, "model"),
        (400, "This model's maximum prompt length is 131072 tokens.", BatchFault, "rejected"),
        (400, "Argument not supported on this model: stop", Denied, "parameter"),
        (400, "Model grok-4.20 does not support parameter reasoningEffort.", Denied, "parameter"),
        (400, "Unsupported value: 'temperature' does not support 0 with this model.", Denied, "parameter"),
        (400, 'Invalid JSON payload received. Unknown name "seed": Cannot find field.', Denied, "parameter"),
        (422, "reasoning_effort: Extra inputs are not permitted", Denied, "parameter"),
        (400, "Invalid reasoning_effort: must be one of low, high", Denied, "parameter"),
        (400, "Client specified an invalid argument", BatchFault, "rejected"),
        (401, "No credentials.", Denied, "credentials"),
        (402, "Payment required", Denied, "credits"),
        (403, "The caller does not have permission", Denied, "credentials"),
        (403, "Your newly created team doesn't have any credits or licenses yet.", Denied, "credits"),
        (
            403,
            "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO",
            BatchFault,
            "refused",
        ),
        (404, "Some requested entity was not found", Denied, "model"),
        (405, "", Denied, "rejected"),
        (408, "", ProviderFault, "server_error"),
        (422, "missing field", BatchFault, "rejected"),
        (
            429,
            "Too many requests for team credit-bank (actual/limit): 65605/16000",
            RateLimited,
            "rate_limited",
        ),
        (429, "Your team has either used all available credits or reached its limit", Denied, "credits"),
        (429, "monthly spending limit reached", Denied, "credits"),
        (429, "You have run out of credits", Denied, "credits"),
        (500, "any", ProviderFault, "server_error"),
        (599, "", ProviderFault, "server_error"),
    ],
)
def test_the_same_status_means_what_its_text_says(
    status: int, said: str, kind: type[CallFailed], outcome: str
) -> None:
    plain = fault(status, said)
    xai = fault(status, json.dumps({"code": "some code", "error": said}))

    for error in (plain, xai):
        assert (type(error), error.outcome, error.status) == (kind, outcome, status)


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ('{"code": "invalid", "error": "too long"}', "invalid", "too long"),
        ('{"error": {"message": "too long", "type": "t", "code": "invalid"}}', "invalid", "too long"),
        ('{"error": {"message": "too long", "type": "t", "code": null}}', "t", "too long"),
        ('{"error": {"message": "too long", "type": "t", "code": "400"}}', "t", "too long"),
        ('{"error": {"message": "too long", "type": null, "code": "400"}}', "", "too long"),
        ('[{"error": {"code": 400, "message": "too long", "status": "INVALID"}}]', "INVALID", "too long"),
        ('{"error": {"code": 400}}', "", ""),
        ('{"detail": "too long"}', "", "too long"),
        ("too long", "", "too long"),
        ('"too long"', "", '"too long"'),
        ("[]", "", "[]"),
        ("", "", ""),
    ],
)
def test_every_shape_of_an_error_body_is_understood(body: str, code: str, message: str) -> None:
    assert parse_error(body) == (code, message)


DEPLOYMENT_BUDGET = (
    "No deployments available - crossed budget: Exceeded budget for deployment model_name: budgeted, "
    "litellm_params.model: xai/grok-4.3, model_id: b3e6: 0.000593 >= 1d\n"
)
# As LiteLLM 1.108.7 sent them: status, the `type` and `message` of its error body, and what they mean.
LITELLM = [
    (400, "no_db_connection", "No connected db.", Denied, "credentials"),
    (401, "auth_error", "Authentication Error, no such key", Denied, "credentials"),
    (
        422,
        "budget_exceeded",
        "Budget has been exceeded! Current cost: 10.0, Max budget: 1.0",
        Denied,
        "credits",
    ),
    (429, "internal_server_error", DEPLOYMENT_BUDGET, Denied, "credits"),
    (
        429,
        "throttling_error",
        "litellm.RateLimitError: Model rate limit exceeded. RPM limit=2, current usage=3",
        RateLimited,
        "rate_limited",
    ),
    (
        400,
        "invalid_request_error",
        "/chat/completions: Invalid model name passed in model=nope. Call `/v1/models` to view models.",
        Denied,
        "model",
    ),
    (
        500,
        "internal_server_error",
        "litellm.InternalServerError: InternalServerError: XaiException - Not now",
        ProviderFault,
        "server_error",
    ),
]


def of_litellm(status: int, type_: str, message: str) -> str:
    return json.dumps({"error": {"message": message, "type": type_, "param": None, "code": str(status)}})


@pytest.mark.parametrize(("status", "type_", "message", "kind", "outcome"), LITELLM)
def test_what_a_gateway_answers_is_told_apart_and_named_by_its_type(
    status: int, type_: str, message: str, kind: type[CallFailed], outcome: str
) -> None:
    error = fault(status, of_litellm(status, type_, message))

    assert (type(error), error.outcome, error.status) == (kind, outcome, status)
    assert f": {type_}" in error.detail


@pytest.mark.parametrize("said", ["ExceededBudget: Key over 1d budget.", "Over budget", "budget is used up"])
@pytest.mark.parametrize("status", [400, 402, 403, 422, 429])
def test_a_spent_budget_counts_as_credits_whatever_its_status(status: int, said: str) -> None:
    error = fault(status, of_litellm(status, "error", said))

    assert (type(error), error.outcome) == (Denied, "credits")


@pytest.mark.parametrize("said", ["Tokens of this budget model: too many requests", "slow down"])
def test_a_rate_limit_that_mentions_a_budget_stays_one(said: str) -> None:
    assert type(fault(429, said)) is RateLimited


@pytest.mark.parametrize(("status", "type_", "message"), [each[:3] for each in LITELLM])
def test_only_what_cannot_repeat_a_conversation_is_quoted(status: int, type_: str, message: str) -> None:
    answer = ServerResponse(status, {}, of_litellm(status, type_, message).encode())
    shown = " ".join(message.split())

    of_canary = classify_error(answer, secrets=[KEY], now=NOW, quotable=True)
    of_batch = classify_error(answer, secrets=[KEY], now=NOW)

    assert shown in of_canary.detail
    assert (shown in of_batch.detail) == (status in (401, 429))


@given(st.integers(100, 999), st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_answer_is_one_of_the_known_faults_with_one_short_line(status: int, body: bytes) -> None:
    error = fault(status, body)

    assert type(error).__name__ in KINDS
    assert len(error.detail) <= 300
    assert error.detail.isprintable()
    assert error.detail.startswith(f"HTTP {status}")


@given(st.text(), st.text())
def test_no_key_is_ever_shown(before: str, after: str) -> None:
    assert KEY not in one_line(f"{before}{KEY}{after}", KEY)
    assert "xai-abcdefgh" not in one_line(f"{before} xai-abcdefgh {after}")


def test_a_key_starred_out_by_the_server_is_not_shown_either() -> None:
    error = fault(401, "Incorrect API key provided: xa***ef. Try again.")

    assert error.detail == "HTTP 401 Unauthorized: Incorrect API key provided: [key] Try again."


def test_a_detail_is_one_printable_line() -> None:
    error = fault(401, "no\r\nkey \x1b[31m given\u2028")

    assert error.detail == "HTTP 401 Unauthorized: no key [31m given"
    assert len(fault(401, "no " * 500).detail) == 300


@given(st.floats(0, 1e6).filter(lambda seconds: "e" not in str(seconds)))
def test_a_pause_in_seconds_is_kept_up_to_an_hour(seconds: float) -> None:
    assert retry_after(str(seconds), NOW) == min(seconds, 3_600)


@given(st.integers(-(10**9), 10**9), st.booleans())
def test_a_pause_until_a_date_counts_from_now(seconds: int, usegmt: bool) -> None:
    date = formatdate(NOW + seconds, usegmt=usegmt)  # without GMT it ends in -0000, a zone of its own

    assert retry_after(date, NOW) == min(max(seconds, 0), 3_600)


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ \d+:\d+:\d+ [+-]?\w*"))
def test_any_other_retry_after_is_none_or_within_an_hour(header: str) -> None:
    pause = retry_after(header, NOW)

    assert pause is None or 0 <= pause <= 3_600


def test_a_pause_taken_as_an_hour_is_shown_as_it_was_asked() -> None:
    error = fault(429, "slow down", {"retry-after": "86400"})

    assert isinstance(error, RateLimited)
    assert error.retry_after == 3_600
    assert error.detail == "Retry-After 86400, HTTP 429 Too Many Requests: slow down"


@given(COMPLETIONS, st.integers(1, 3))
def test_any_200_is_a_reply_with_a_row_for_each_text_or_a_known_fault(
    document: dict[str, Any], count: int
) -> None:
    answer = ServerResponse(200, {}, json.dumps(document).encode())

    reply = read(answer, count)

    if isinstance(reply, Reply):
        assert len(reply.rows) == count
    else:
        assert isinstance(reply, ProviderFault | BatchFault)
        assert len(reply.detail) <= 300


@given(JSON | st.dictionaries(st.sampled_from(["results", "x"]), JSON))
def test_any_content_is_rows_or_malformed(content: object) -> None:
    answer = completion({"content": json.dumps(content)})

    reply = read(answer, 2)

    if isinstance(reply, Reply):
        assert [type(row) for row in reply.rows] == [Invalid, Invalid]
    else:
        assert isinstance(reply, BatchFault)
        assert (reply.outcome, reply.body) == ("malformed", json.dumps(content))


def test_a_reply_names_the_model_that_answered_else_the_one_that_was_asked() -> None:
    message = {"content": '{"results": []}'}

    assert (
        parse_reply(completion(message, model="grok-4.3-x"), count=1, model="grok-4.3").model == "grok-4.3-x"
    )
    for nameless in ({}, {"model": None}, {"model": " "}, {"model": 4.3}):
        assert parse_reply(completion(message, **nameless), count=1, model="grok-4.3").model == "grok-4.3"


def test_what_is_kept_of_an_answer_can_be_stored() -> None:
    with pytest.raises(ProviderFault) as caught:
        parse_reply(ServerResponse(200, {}, b"\0\xff" + b"x" * 100_000), count=1, model="grok-4.3")

    assert caught.value.body is not None
    assert caught.value.body.startswith("\ufffd\ufffdx")
    assert len(caught.value.body) == 65_536
