"""The HTTP client for Grok: sends one chat completion and returns validated rows or raises CallFailed."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import structlog
from pydantic import SecretStr

from domain.analysis import MAX_RAW, BeforeSend, CallFailed, Invalid, Reply, Usage
from domain.deciding import Decided
from domain.examples import ToldExamples
from domain.fields.fieldsets import NO_FIELDS, FieldSet
from domain.naming import Nameless, NamesGiven
from domain.summaries import DraftListener, Material, Summarised, Summary
from domain.text import storable
from llm import deciding, naming, prompts, summary_answers, summary_prompts
from llm.canary import CANARY
from llm.completions import (
    ServerResponse,
    classify_error,
    envelope_fields,
    one_line,
    parse_completion,
    parse_error,
    parse_reply,
)
from llm.error_rules import SchemaRefused
from llm.quoting import quoted
from llm.request_headers import call_headers, is_secret
from llm.thinking import thinking_of
from llm.transport import Post, Transport

log = structlog.get_logger()

Parsed = TypeVar("Parsed")


class GrokClient:
    """Client of Grok or any other server that speaks chat completions. Open and close it with `async with`.

    The client never retries a call; the job queue does. The one exception is a server that rejects `json_schema`:
    the client asks again for any JSON object (after awaiting `before_send` again). If that succeeds, it sends no
    schema from then on.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: SecretStr,
        model: str,
        topics: Mapping[str, str],
        examples: ToldExamples | None = None,
        fields: FieldSet = NO_FIELDS,
        reasoning_effort: str | None = None,
        max_reasoning_tokens: int = 0,
        timeout: float = 60,
        max_in_flight: int = 64,
        name: str = "grok",
        cache_id: str | None = None,
        extra_headers: Mapping[str, str] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`timeout` covers the whole call, in seconds. Raises ValueError if the key cannot be sent in a header.

        `topics` and `examples` may change; a call is sent with those of its moment. `cache_id` is sent as
        `x-grok-conv-id`: calls with the same id reach the same server and its prompt cache.
        """
        self.name, self.model = name, model
        self._topics, self._examples = topics, examples or ToldExamples()
        self._fields, self._summary_fields = fields.of("conversations"), fields.of("summaries")
        self.summary_version = summary_prompts.version(self._summary_fields)
        key, extra = api_key.get_secret_value().strip(), extra_headers or {}
        self._secrets = key, *filter(is_secret, extra.values())
        thinking = thinking_of(model)
        self._effort = thinking.effort(reasoning_effort)
        self._thoughts = thinking.headroom(max_reasoning_tokens)
        self._now, self._strict = now, True
        self._transport = Transport(
            f"{base_url.rstrip('/')}/chat/completions",
            {**extra, **call_headers(key, cache_id or f"insights-{self.prompt_version}")},
            timeout=timeout,
            max_idle=max_in_flight,
            secrets=self._secrets,
        )

    @property
    def prompt_version(self) -> str:
        """The version of the prompt with the topics and examples that are told now."""
        return prompts.prompt_version(self._topics, self._examples.examples, self._fields)

    @property
    def fixed_tokens(self) -> int:
        """Prompt tokens of a call without texts, estimated."""
        told = prompts.json_text(prompts.example_messages(self._examples.examples, self._fields))
        return (len(prompts.system_message(self._topics, self._fields)) + len(told)) // 4

    @property
    def row_tokens(self) -> int:
        """Tokens of an answer about one text, estimated."""
        return prompts.typical_row(self._fields)

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.__aexit__(kind, error, trace)

    async def analyse(self, texts: Sequence[str], before_send: BeforeSend) -> Reply:
        """Analyse 1 to 256 texts in one call.

        `before_send` is awaited first. When it returns the time-out starts, a connection is taken and the request is
        written; a connection that waited for its turn could be dead by then. Its exceptions propagate. Raises
        CallFailed.
        """
        is_canary = list(texts) == [CANARY]
        read = partial(self._read, count=len(texts), fields=self._fields, quotable=is_canary)
        return await self._call(_Request(partial(self._body, texts), read, before_send, quotable=is_canary))

    def batched(self, texts: Sequence[str]) -> bytes:
        """The body of such a call, for a batch that the server answers later."""
        return self._body(texts, strict=self._strict)

    def read_batched(self, answer: ServerResponse, count: int, version: str) -> Reply:
        """The answer to such a body with `count` texts, of a prompt of this version. Raises CallFailed.

        What was asked for other fields than those of now has no answers to fields: a re-analysis fills them in.
        """
        fields = self._fields if prompts.asks_for(version, self._fields) else NO_FIELDS
        return self._read(answer, count, fields=fields)

    def _read(self, answer: ServerResponse, count: int, **how: Any) -> Reply:
        return parse_reply(answer, count=count, model=self.model, secrets=self._secrets, **how)

    async def summarise(
        self,
        material: Material,
        before_send: BeforeSend,
        on_draft: DraftListener | None = None,
    ) -> Summarised:
        """Summarise messages, or merge summaries, in one call. Otherwise like `analyse`.

        With `on_draft` the answer is streamed.
        """
        return await self._call(
            _Request(
                partial(self._summary_body, material, stream=on_draft is not None),
                partial(_summarised, material=material, model=self.model, fields=self._summary_fields),
                before_send,
                {"x-grok-conv-id": f"summaries-{self.summary_version}"},
                on_draft or _ignore_draft,
            )
        )

    async def name_groups(self, groups: Sequence[Nameless], before_send: BeforeSend) -> NamesGiven:
        """Name groups of conversations in one call. Otherwise like `analyse`."""
        read = partial(_names_given, count=len(groups), model=self.model)
        return await self._call(_Request(partial(self._naming_body, groups), read, before_send))

    async def decide(self, question: str, texts: Sequence[str], before_send: BeforeSend) -> Decided:
        """Answer a question about each text in one call. Otherwise like `analyse`."""
        read = partial(_decided, count=len(texts), model=self.model)
        return await self._call(_Request(partial(self._question_body, question, texts), read, before_send))

    def worst_case(self, texts: Sequence[str]) -> Usage:
        """The largest usage a call with these texts can have, without reasoning tokens beyond its output cap."""
        prompt = prompts.worst_tokens(self._body(texts, strict=True))
        cap = prompts.output_cap(len(texts), self._fields)
        return Usage(prompt_tokens=prompt, completion_tokens=cap + self._thoughts)

    def worst_summary(self, material: Material) -> Usage:
        """The largest usage a call that summarises this can have, without reasoning tokens beyond its output cap."""
        prompt = prompts.worst_tokens(self._summary_body(material, strict=True))
        cap = summary_prompts.summary_cap(self._summary_fields)
        return Usage(prompt_tokens=prompt, completion_tokens=cap + self._thoughts)

    def worst_naming(self, groups: Sequence[Nameless]) -> Usage:
        """The largest usage a call that names these can have, without reasoning tokens beyond its output cap."""
        prompt = prompts.worst_tokens(self._naming_body(groups, strict=True))
        cap = naming.names_cap(len(groups)) + self._thoughts
        return Usage(prompt_tokens=prompt, completion_tokens=cap)

    def worst_decision(self, question: str, texts: Sequence[str]) -> Usage:
        """The largest usage such a call can have, without reasoning tokens beyond its output cap."""
        prompt = prompts.worst_tokens(self._question_body(question, texts, strict=True))
        cap = deciding.decisions_cap(len(texts)) + self._thoughts
        return Usage(prompt_tokens=prompt, completion_tokens=cap)

    def _question_body(self, question: str, texts: Sequence[str], *, strict: bool) -> bytes:
        return deciding.request_body(
            question, texts, model=self.model, effort=self._effort, strict=strict, thoughts=self._thoughts
        )

    def _naming_body(self, groups: Sequence[Nameless], *, strict: bool) -> bytes:
        return naming.request_body(
            groups, model=self.model, effort=self._effort, strict=strict, thoughts=self._thoughts
        )

    def _body(self, texts: Sequence[str], *, strict: bool) -> bytes:
        return prompts.request_body(
            texts,
            system=prompts.system_message(self._topics, self._fields),
            model=self.model,
            effort=self._effort,
            strict=strict,
            thoughts=self._thoughts,
            examples=self._examples.examples,
            fields=self._fields,
        )

    def _summary_body(self, material: Material, *, strict: bool, stream: bool = False) -> bytes:
        return summary_prompts.request_body(
            material,
            model=self.model,
            effort=self._effort,
            strict=strict,
            stream=stream,
            thoughts=self._thoughts,
            fields=self._summary_fields,
        )

    async def _call(self, request: "_Request[Parsed]") -> Parsed:
        if self._strict:
            try:
                return await self._attempt(request, strict=True)
            except SchemaRefused as refusal:
                reply = await self._attempt(request, strict=False)
                self._give_up_schema(refusal)  # only this success proves that the schema was the problem
                return reply
        return await self._attempt(request, strict=False)

    def _give_up_schema(self, refusal: SchemaRefused) -> None:
        if self._strict:  # calls side by side find out together
            meaning = "answers are asked for without a schema from now on; each row is validated as before"
            log.warning("schema_refused", provider=self.name, reason=refusal.said, meaning=meaning)
        self._strict = False

    async def _attempt(self, request: "_Request[Parsed]", *, strict: bool) -> Parsed:
        departed = await request.before_send()
        body = request.body(strict=strict)
        post = Post(body, request.headers, request.on_draft, departed or _tell_nobody)
        answer = await self._transport.post(post)
        if answer.status != 200:
            raise self._fault(answer, body, quotable=request.quotable)
        return request.parse(answer)

    def _fault(self, answer: ServerResponse, body: bytes, *, quotable: bool) -> CallFailed:
        fault = classify_error(answer, secrets=self._secrets, now=self._now(), quotable=quotable)
        if isinstance(fault, SchemaRefused):
            said = quoted(" ".join(parse_error(answer.text)), body)
            fault.said = one_line(f"HTTP {answer.status}: {said}", *self._secrets)
        return fault


def _summarised(
    answer: ServerResponse, *, material: Material, model: str, fields: FieldSet = NO_FIELDS
) -> Summarised:
    def read(content: str) -> tuple[Summary | Invalid, str]:
        return summary_answers.parse_summary(content, material.citable, fields), storable(content[:MAX_RAW])

    (summary, raw), envelope = parse_completion(answer, model, read)
    return Summarised(summary=summary, raw=raw, **envelope_fields(envelope))


def _names_given(answer: ServerResponse, *, count: int, model: str) -> NamesGiven:
    names, envelope = parse_completion(answer, model, partial(naming.parse_names, count=count))
    return NamesGiven(names=names, **envelope_fields(envelope))


def _decided(answer: ServerResponse, *, count: int, model: str) -> Decided:
    answers, envelope = parse_completion(answer, model, partial(deciding.parse_decisions, count=count))
    return Decided(answers=answers, **envelope_fields(envelope))


def _ignore_draft(_: str) -> None: ...
def _tell_nobody() -> None: ...


@dataclass(frozen=True, slots=True)
class _Request(Generic[Parsed]):
    """A request and how to parse its response."""

    body: Callable[..., bytes]
    """Called with `strict`."""
    parse: Callable[[ServerResponse], Parsed]
    before_send: BeforeSend
    headers: Mapping[str, str] | None = None
    on_draft: DraftListener = _ignore_draft
    quotable: bool = False
    """Whether it carries no conversation."""
