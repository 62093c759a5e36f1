"""A Grok on loopback that checks what it is sent, answers by a simple rule, and misbehaves on command.

In a test: `with served(FakeGrok()) as server`, then a client with `base_url=f"{server.url}/v1"`. As a program:

    python -m tests.fake_grok --port 8090 --latency 2

which prints its address as a line of JSON and stops on SIGTERM. `GET /__stats` tells what it was sent (with
`?texts=1` how often each text, with `?arrivals=1` when each call and how many texts it carried), `POST /__control`
takes `latency`, `key`, `faults` (a list of Fault's fields), `clear`, `reset`, and `refuse_seconds`, in which nobody
listens on the port. Beside it is the Batch API (`batches.py`): `?bill=1` tells what each of its requests was charged,
and `batch` in a control request has `mishaps` (a list of Mishap's fields) and fields of FakeBatches, such as `seconds`.
"""

import asyncio
import json
import re
import time
import zlib
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from random import Random
from typing import Any, NamedTuple

from starlette.types import Receive, Scope, Send

from benchmarks.support.arrivals import busiest_second
from tests.fake_grok import batch_calls, deciding, fields, naming, summaries
from tests.fake_grok.batches import Answered, FakeBatches
from tests.fake_grok.deciding import DecidingQuestion
from tests.fake_grok.faults import CALL_FAULTS, ROW_FAULTS, SUMMARY_FAULTS, Draft, Fault
from tests.fake_grok.naming import NamingQuestion
from tests.fake_grok.requests import (
    EFFORTS,
    INVALID,
    ChatRequest,
    Conversation,
    Question,
    Refused,
    check_effort,
    check_envelope,
    check_ids,
    parsed,
    thoughts,
)
from tests.fake_grok.summaries import Chat

KEY = "test-key"
HIDDEN_TOKENS = 185
PROMPT_TICKS, CACHED_TICKS, COMPLETION_TICKS = 12_500, 2_000, 25_000
MOST_VIOLATIONS = 1_000

GOOD = frozenset({"love", "great", "thanks", "perfect", "happy", "excellent", "quick"})
BAD = frozenset({"late", "broken", "terrible", "worst", "lost", "waiting", "angry"})
TOPICS = ("delivery_problems", "billing", "technical_issue", "customer_service", "information_request")


def judged(text: str) -> dict[str, Any]:
    """What the fake makes of a text: the same for the same text, whoever asks."""
    words = re.findall(r"[a-z]+", text.lower())
    good, bad = (sum(word in known for word in words) for known in (GOOD, BAD))
    number = zlib.crc32(text.encode("utf-8", "replace"))
    return {
        "sentiment_score": max(-1.0, min(1.0, 0.4 * (good - bad))),
        "clusters": [TOPICS[number % len(TOPICS)]],
        "confidence": round(0.5 + number % 50 / 100, 2),
        "reasoning": f"{good} good words and {bad} bad ones.",
    }


class Call(NamedTuple):
    """One call as it came in; `arrived` is when its headers did, on the monotonic clock."""

    arrived: float
    texts: Sequence[str]
    """What was asked about: texts, or a chat's messages. Empty where the request was refused, and of a merge."""
    status: int
    answered: Collection[str] = ()
    """The texts whose rows came back as they should, in an answer with which nothing else was wrong."""
    billed_ticks: int = 0
    kind: str = "analysis"
    """`analysis`, `summary` of messages, `merge` of summaries, `naming` of groups, or `deciding`."""
    by: str = ""
    """Which process made it, where it says so in a header `x-process`."""


class Drafted(NamedTuple):
    """What an answer is about: the texts, the kind of call, and the rows that are due."""

    texts: list[str]
    kind: str
    rows: list[dict[str, Any]]


class Received(NamedTuple):
    """One request as it was written."""

    headers: dict[str, str]
    body: bytes


class FakeGrok:
    """The server, an ASGI app. What it was told and what it saw may be read from any thread."""

    def __init__(
        self,
        *,
        key: str = KEY,
        latency: float = 0,
        seed: int = 0,
        on_outage: Callable[[float], None] | None = None,
    ) -> None:
        """`latency` is in seconds. `on_outage` is given the `refuse_seconds` of a control request."""
        self.key = key
        self.latency = latency
        self.gaps = False
        """Whether chats may have lost messages."""
        self.seed = seed
        self.on_outage = on_outage
        self.batches = FakeBatches(self._answered_in_batch, texts_asked, seed=seed)
        self.reset()

    def reset(self) -> None:
        """As if just started: no faults, nothing seen."""
        self.random = Random(self.seed)  # noqa: S311  a fault's dice, no secret
        self.faults: list[Fault] = []
        self.calls: list[Call] = []
        self.recent: deque[Received] = deque(maxlen=100)
        self.sent: Counter[str] = Counter()
        self.summarised: Counter[str] = Counter()
        """How often each message of a chat was sent to be summarised."""
        self.merged: list[list[tuple[int, int]]] = []
        """The ranges of the parts of each merge."""
        self.violations: list[str] = []
        self.tokens: Counter[str] = Counter()
        self.billed_ticks = 0
        """Of live calls; `batches` has a bill of its own."""
        self.fields: fields.Schemas = {}
        """The operator's fields that the last request asked for."""
        self._cached: set[str] = set()
        self.batches.reset()

    def misbehave(self, kind: str, **how: Any) -> Fault:
        """Add a fault; those added earlier go first, and all that apply do."""
        fault = Fault(kind, **how)
        self.faults.append(fault)
        return fault

    def busiest_second(self, jitter: float = 0.0) -> int:
        """The most calls that arrived in any one second, its end excluded.

        Calls may have come closer together on their way: the window is `jitter` seconds shorter.
        """
        return busiest_second([call.arrived for call in self.calls], 1 - jitter)

    def stats(self) -> dict[str, Any]:
        return {
            "calls": len(self.calls),
            "statuses": Counter(str(call.status) for call in self.calls),
            "kinds": Counter(call.kind for call in self.calls),
            "merges": len(self.merged),
            "messages_summarised": self.summarised.total(),
            "texts": len(self.sent),
            "texts_sent": self.sent.total(),
            "most_often_sent": max(self.sent.values(), default=0),
            "busiest_second": self.busiest_second(),
            "tokens": self.tokens,
            "billed_ticks": self.billed_ticks,
            "violations": self.violations,
            "batches": self.batches.stats(),
        }

    def _details(self, query: bytes) -> dict[str, Any]:
        match query:
            case b"texts=1":
                return {"sent": self.sent}
            case b"arrivals=1":
                return {
                    "arrivals": [call.arrived for call in self.calls],
                    "carried": [len(call.texts) for call in self.calls],
                }
            case b"bill=1":
                return {"bill": self.batches.bill()}
        return {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        arrived = time.monotonic()
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        match scope["method"], scope["path"]:
            case "GET", "/__stats":
                found = self.stats() | self._details(scope["query_string"])
                await respond(send, 200, json.dumps(found).encode())
            case "POST", "/__control":
                await self._control(json.loads(await body_of(receive)), send)
            case _, path if path.startswith(batch_calls.PREFIX):
                with suppress(HungUp):
                    await self._batch(scope, receive, send)
            case _:
                with suppress(HungUp):
                    await self._chat(arrived, scope, receive, send)

    async def _control(self, order: dict[str, Any], send: Send) -> None:
        if order.get("reset"):
            self.reset()
        if order.get("clear"):
            self.faults.clear()
            self.batches.mishaps.clear()
        self.latency = order.get("latency", self.latency)
        self.key = order.get("key", self.key)
        for fault in order.get("faults", ()):
            self.misbehave(**fault)
        self.batches.told(order.get("batch", {}))
        await respond(send, 200, b"{}")
        if self.on_outage is not None and "refuse_seconds" in order:
            self.on_outage(order["refuse_seconds"])

    async def _batch(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = headers_of(scope)
        body = await body_of(receive)
        operation, sent = batch_calls.answer_to(
            self.batches, scope, body, lambda: self._check_key(headers.get("authorization"))
        )
        self.batches.note(operation, sent.status)
        await batch_calls.deliver_batch(sent, receive, send)

    def _answered_in_batch(self, body: bytes) -> Answered:
        """What comes of a request of a batch: the live answer, charged at four fifths, or the bare text of a fault."""
        try:
            request = parsed(ChatRequest, body, status=422)
            draft, (texts, _, due) = self._drafted(request, self._question(request))
        except Refused as refused:
            draft, texts, due = self._refusal(refused), [], []
        if draft.status != 200 or draft.body is not None or draft.manner != "whole":
            said = json.loads(draft.body or b"{}").get("error") if draft.status != 200 else None
            return Answered({"error": said or "unavailable: no answer came in time"})
        ticks = draft.billed.get("cost_in_usd_ticks", 0) * 4 // 5
        if draft.usage and "cost_in_usd_ticks" in draft.usage:
            draft.usage["cost_in_usd_ticks"] = draft.usage["cost_in_usd_ticks"] * 4 // 5
        answer = {"response": {"chat_get_completion": json.loads(draft.payload)}}
        return Answered(answer, ticks, False, answered(draft, due, texts if due else []))

    async def _chat(self, arrived: float, scope: Scope, receive: Receive, send: Send) -> None:
        headers = headers_of(scope)
        body = await body_of(receive)
        self.recent.append(Received(headers, body))
        try:
            request, question = self._checked(scope, headers, body)
        except Refused as refused:
            draft, drafted = self._refusal(refused), Drafted([], "analysis", [])
        else:
            draft, drafted = self._drafted(request, question)
        billed = draft.billed.get("cost_in_usd_ticks", 0)
        texts, kind, due = drafted
        well = answered(draft, due, texts if due else [])
        self.calls.append(
            Call(arrived, texts, draft.status, well, billed, kind, headers.get("x-process", ""))
        )
        self._bill(draft)
        await asyncio.sleep(self.latency + draft.delay)
        await deliver(draft, receive, send)

    def _drafted(
        self, request: ChatRequest, question: Question | Chat | NamingQuestion | DecidingQuestion
    ) -> tuple[Draft, "Drafted"]:
        """The answer, spoilt as ordered, and what it is about."""
        if isinstance(question, Question):
            texts = [conversation.text for conversation in question.conversations]
            rows = [self._row(each) for each in question.conversations]
            draft = self._spoilt(self._answer(request, [*rows], None), texts, ROW_FAULTS.keys())
            self.sent.update(texts)
            return draft, Drafted(texts, "analysis", rows)
        if isinstance(question, NamingQuestion):
            texts = [text for group in question.groups for text in group.examples]
            draft = self._spoilt(
                self._answer(request, [], naming.answer(question)), texts, SUMMARY_FAULTS.keys()
            )
            return draft, Drafted(texts, "naming", [])
        if isinstance(question, DecidingQuestion):
            texts = [each.text for each in question.conversations]
            draft = self._spoilt(
                self._answer(request, [], deciding.answer(question)), texts, SUMMARY_FAULTS.keys()
            )
            return draft, Drafted(texts, "deciding", [])
        draft = self._answer(request, [], summaries.answer(question, self.fields))
        texts = [message.text for message in question.messages or ()]
        self._spoilt(draft, texts or [part.summary for part in question.parts or ()], SUMMARY_FAULTS.keys())
        self.summarised.update(texts)
        if question.parts:
            self.merged.append([(part.first, part.last) for part in question.parts])
        return draft, Drafted(texts, "merge" if question.parts else "summary", [])

    def _row(self, asked: Conversation) -> dict[str, Any]:
        row = {"conversation_id": asked.conversation_id} | judged(asked.text)
        return row | {"fields": fields.answers(self.fields, asked.text)} if self.fields else row

    def _refusal(self, refused: Refused) -> Draft:
        if len(self.violations) < MOST_VIOLATIONS:
            self.violations.append(str(refused))
        draft = Draft(rows=[], usage=None, model="", strict=False)
        draft.refuse(refused.status, refused.code, refused.error)
        return draft

    def _checked(
        self, scope: Scope, headers: dict[str, str], body: bytes
    ) -> tuple[ChatRequest, Question | Chat | NamingQuestion | DecidingQuestion]:
        """In the order in which xAI's server was seen to check. Raises Refused."""
        check_envelope(scope, headers)
        request = parsed(ChatRequest, body, status=422)
        if request.model not in EFFORTS:
            raise Refused(400, INVALID, f"Model {request.model} not found")
        self._check_key(headers.get("authorization"))
        return request, self._question(request)

    def _question(self, request: ChatRequest) -> Question | Chat | NamingQuestion | DecidingQuestion:
        """What a request asks. Raises Refused."""
        check_effort(request)
        roles = [message.role for message in request.messages]
        if roles not in (["system", "user"], ["system", "user", "assistant", "user"]):
            raise Refused(
                400, INVALID, "not one system and one user message, with one answered before at most"
            )
        asked = request.messages[-1].content
        if not asked.startswith(('{"groups":', '{"question":')):
            told = request.messages[0].content
            self.fields = fields.asked_fields(request.response_format, told, self.fields)
        if asked.startswith('{"conversation":'):
            return summaries.checked(request.response_format, asked, gaps=self.gaps)
        if asked.startswith('{"groups":'):
            return naming.checked(request.response_format, asked)
        if asked.startswith('{"question":'):
            return deciding.checked(request.response_format, asked)
        question = parsed(Question, asked.encode(), status=400)
        check_ids(request.response_format, question)
        return question

    def _check_key(self, authorization: str | None) -> None:
        if authorization is None or not authorization.startswith("Bearer "):
            raise Refused(401, "unauthenticated", "There is no bearer key")
        if authorization != f"Bearer {self.key}":
            starred = f"{authorization[7:9]}***{authorization[-2:]}"
            error = f"Incorrect API key provided: {starred}"
            raise Refused(400, INVALID, error)

    def _answer(
        self, request: ChatRequest, rows: list[dict[str, Any]], summary: dict[str, Any] | None
    ) -> Draft:
        strict = request.response_format.type == "json_schema"
        draft = Draft(rows, None, request.model, strict, request.stream, summary)
        draft.usage = self._usage(request, draft.content)
        draft.headers["x-request-id"] = f"call-{len(self.calls) + 1}"
        room = max(0, request.max_completion_tokens - thoughts(request))
        if draft.usage["completion_tokens"] > room:
            draft.finish_reason = "length"
            draft.message["content"] = draft.content[: 4 * room]
            draft.usage = self._usage(request, draft.message["content"])
        return draft

    def _usage(self, request: ChatRequest, content: str) -> dict[str, Any]:
        *told, user = (message.content for message in request.messages)
        system = "\n".join(told)
        prompt = HIDDEN_TOKENS + tokens(system) + tokens(user)
        cached = tokens(system) // 128 * 128 if system in self._cached else 0
        self._cached.add(system)
        completion = tokens(content)
        if thoughts(request):
            total = prompt + completion + thoughts(request)
            return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}
        ticks = (prompt - cached) * PROMPT_TICKS + cached * CACHED_TICKS + completion * COMPLETION_TICKS
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"text_tokens": prompt, "cached_tokens": cached},
            "completion_tokens_details": {"reasoning_tokens": 0},
            "cost_in_usd_ticks": ticks,
        }

    def _spoilt(self, draft: Draft, texts: Sequence[str], kinds: Collection[str]) -> Draft:
        """The draft, with what was ordered for such a call done to it."""
        draft.billed = dict(draft.usage or {})
        for fault in list(self.faults):
            if fault.kind not in (*CALL_FAULTS, *kinds) or not fault.meets(texts, self.random):
                continue
            if fault.kind in CALL_FAULTS:
                CALL_FAULTS[fault.kind](draft, fault)
            elif draft.summary is not None:
                draft.summary = SUMMARY_FAULTS[fault.kind](draft.summary, fault)
            else:
                self._spoil_rows(draft, texts, fault)
        return draft

    def _spoil_rows(self, draft: Draft, texts: Sequence[str], fault: Fault) -> None:
        """Row by row; a row stands for the text of its id, wherever earlier faults have moved it."""
        rows: list[dict[str, Any]] = []
        for row in draft.rows:
            number = str(row["conversation_id"])
            text = texts[int(number) - 1] if number.isdigit() else ""
            spoilt = fault.spoils(text, first=text not in self.sent)
            rows += ROW_FAULTS[fault.kind](row, fault) if spoilt else [row]
        draft.rows = rows

    def _bill(self, draft: Draft) -> None:
        """Whoever hangs up has still been served: only an answer that is no completion costs nothing."""
        self.billed_ticks += draft.billed.get("cost_in_usd_ticks", 0)
        for kind in ("prompt_tokens", "completion_tokens"):
            self.tokens[kind] += draft.billed.get(kind, 0)


def answered(draft: Draft, due: Sequence[dict[str, Any]], texts: Sequence[str]) -> list[str]:
    """The texts whose rows are in an answer that can be read as they were `due`, and once."""
    rows: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in draft.rows if draft.is_plain else ():
        rows[row["conversation_id"]].append(row)
    return [text for row, text in zip(due, texts, strict=True) if rows[row["conversation_id"]] == [row]]


def texts_asked(body: Mapping[str, Any]) -> list[str]:
    """The texts of conversations that a request asks about, read without a check."""
    try:
        asked = json.loads(body["messages"][-1]["content"])
        return [each["text"] for each in asked["conversations"]]
    except (KeyError, IndexError, TypeError, ValueError):
        return []


def headers_of(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def tokens(text: str) -> int:
    return max(1, len(text) // 4)


class HungUp(Exception):
    """The client left before it had written its request: a server never sees such a call."""


async def body_of(receive: Receive) -> bytes:
    """The whole body. Raises HungUp."""
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HungUp
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(body)


async def respond(send: Send, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
    await start(send, status, {"content-length": str(len(body)), **(headers or {})})
    await send({"type": "http.response.body", "body": body})


async def start(send: Send, status: int, headers: Mapping[str, str]) -> None:
    given = {"content-type": "application/json", **headers}
    pairs = [(name.encode(), value.encode()) for name, value in given.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})


async def stream(draft: Draft, events: Sequence[bytes], send: Send) -> None:
    """Send events at the pace of the answer, without an end."""
    if "no_blank_line" in draft.noise:
        events = [*events[:-1], events[-1].rstrip(b"\n")]
    for event in events:
        await send({"type": "http.response.body", "body": event, "more_body": True})
        await asyncio.sleep(draft.pause)


async def deliver(draft: Draft, receive: Receive, send: Send) -> None:
    """Send the answer the way it is to be sent; one that hangs or never ends lasts until the client leaves."""
    match draft.manner:
        case "whole" if draft.stream and draft.body is None:
            await start(send, draft.status, {"content-type": "text/event-stream", **draft.headers})
            await stream(draft, [*draft.events], send)
            await send({"type": "http.response.body"})
        case "whole":
            await respond(send, draft.status, draft.payload, draft.headers)
        case "drop" if draft.stream:
            await start(send, draft.status, {"content-type": "text/event-stream", **draft.headers})
            events = [*draft.events]
            await stream(draft, events[: len(events) // 2], send)
        case "drop":
            half = draft.payload[: len(draft.payload) // 2]
            await start(send, draft.status, {"content-length": str(len(draft.payload))})
            await send({"type": "http.response.body", "body": half, "more_body": True})
        case "hang":
            await receive()
        case "endless":
            await start(send, draft.status, draft.headers)
            left = asyncio.ensure_future(receive())
            while not left.done():
                await send({"type": "http.response.body", "body": b" " * 65_536, "more_body": True})
                await asyncio.sleep(draft.pause)
