"""What the fake Grok takes: the documented fields of a request, and what must hold of the question in it."""

from typing import Any, Literal, TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError
from starlette.types import Scope

INVALID = "Client specified an invalid argument"
ROW = {"conversation_id", "sentiment_score", "clusters", "confidence", "reasoning"}

THREE = frozenset({"low", "medium", "high"})
FOUR = THREE | {"xhigh"}
# What reasoning_effort each model takes; those without any answer 400 to the field.
EFFORTS: dict[str, frozenset[str]] = {
    "grok-4.7": FOUR,
    "grok-4.6": FOUR,
    "grok-4.5": THREE,
    "grok-4.3": THREE | {"none"},
    "grok-99": THREE | {"none"},
    "grok-4.20": frozenset(),
    "grok-4.20-reasoning": frozenset(),
    "grok-4.20-0309-reasoning": frozenset(),
    "grok-4.20-0309-non-reasoning": frozenset(),
    "grok-4.20-non-reasoning": frozenset(),
    "gemini-3.5-flash-lite": frozenset(),
    "gemini-3.6-flash": THREE,
    "gemini-3.8-flash": THREE,
    "gemini-4-argon": THREE,
}
# Thoughts count against the cap of these; so many tokens by effort, and without one as by `medium`.
THOUGHTS = {"low": 700, "medium": 3_000, "high": 9_000}


def thoughts(request: "ChatRequest") -> int:
    """The tokens that a Gemini model thinks before it answers; no other model's are told apart here."""
    if not request.model.startswith("gemini-") or not EFFORTS[request.model]:
        return 0
    return THOUGHTS[request.reasoning_effort or "medium"]


Document = TypeVar("Document", bound=BaseModel)


class Strict(BaseModel):
    """The real server ignores a field that it does not know; here a misspelt one must not go unnoticed."""

    model_config = ConfigDict(extra="forbid", strict=True)


class ChatMessage(Strict):
    role: Literal["system", "user", "assistant", "tool"]
    content: str


class JsonSchema(Strict):
    name: str = Field(min_length=1, max_length=64)
    strict: Literal[True]
    schema_: dict[str, Any] = Field(alias="schema")


class ResponseFormat(Strict):
    type: Literal["json_schema", "json_object"]
    json_schema: JsonSchema | None = None


class StreamOptions(Strict):
    include_usage: Literal[True]


class ChatRequest(Strict):
    """The documented fields of a request, those that this service needs being required."""

    model: str
    messages: list[ChatMessage] = Field(min_length=2, max_length=4)
    response_format: ResponseFormat
    # xAI still takes the deprecated name, and LiteLLM's xai/ route sends nothing else.
    max_completion_tokens: int = Field(
        ge=1, validation_alias=AliasChoices("max_completion_tokens", "max_tokens")
    )
    temperature: float = Field(1, ge=0, le=2)
    top_p: float = Field(1, gt=0, le=1)
    reasoning_effort: Literal["none", "low", "medium", "high", "xhigh"] | None = None
    seed: int | None = None
    prompt_cache_key: str | None = None
    user: str | None = None
    n: Literal[1] = 1
    stream: bool = False
    stream_options: StreamOptions | None = None


class Conversation(Strict):
    conversation_id: str
    text: str


class Question(Strict):
    conversations: list[Conversation] = Field(min_length=1, max_length=256)


class Refused(Exception):
    """A request that the server would not take: status, code and sentence."""

    def __init__(self, status: int, code: str, error: str) -> None:
        super().__init__(f"{status} {error}")
        self.status = status
        self.code = code
        self.error = error


def check_envelope(scope: Scope, headers: dict[str, str]) -> None:
    if scope["path"] != "/v1/chat/completions":
        raise Refused(404, "Some requested entity was not found", "No handler for this URL")
    if scope["method"] != "POST":
        raise Refused(405, "Method not allowed", "Use POST")
    if headers.get("content-type", "").split(";")[0] != "application/json":
        raise Refused(415, "Unsupported media type", "The body must be application/json")


def parsed(kind: type[Document], written: bytes, *, status: int) -> Document:
    """The document, if it is one of that kind. Raises Refused, without repeating what was written."""
    try:
        return kind.model_validate_json(written)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        wrong = f"{kind.__name__}: {where}: {first['msg']}"
        raise Refused(400 if first["type"] == "json_invalid" else status, INVALID, wrong) from None


def check_effort(request: ChatRequest) -> None:
    effort = request.reasoning_effort
    if effort is not None and effort not in EFFORTS[request.model]:
        said = f"Model {request.model} does not support parameter reasoningEffort."
        raise Refused(400, "invalid-argument", said)


def check_ids(answer_format: ResponseFormat, question: Question) -> None:
    """The ids count from "1", and a schema asks for exactly one row for each."""
    ids = [conversation.conversation_id for conversation in question.conversations]
    if ids != [str(number) for number in range(1, len(ids) + 1)]:
        raise Refused(400, INVALID, "the conversation ids do not count from 1")
    if answer_format.type == "json_object":
        return
    if answer_format.json_schema is None:
        raise Refused(422, INVALID, "response_format json_schema without a schema")
    try:
        results = answer_format.json_schema.schema_["properties"]["results"]
        asked = results["items"]["properties"]["conversation_id"]["enum"]
        lengths = {results["minItems"], results["maxItems"]}
        required = set(results["items"]["required"])
    except (KeyError, TypeError) as error:
        raise Refused(400, INVALID, f"the schema lacks {error}") from None
    if asked != ids or lengths != {len(ids)} or required - {"fields"} != ROW:
        raise Refused(400, INVALID, "the schema is not for the ids of the user message")
