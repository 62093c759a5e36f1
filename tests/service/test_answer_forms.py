"""The forms in which servers answer: what is stored, charged and told for each, plain and streamed, of both kinds."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from typing import Any, NamedTuple

import pytest
from sqlalchemy.engine import URL

from benchmarks.support import databases
from benchmarks.support.waiting import eventually
from tests.support.chat_sockets import joined
from tests.support.service import Grok, Service, faked, running
from tests.support.summary_service import a_chat, summarize

TICKS = 10**10
SAID = "My parcel is late"
"""As a chat it is too short to be analysed, so that the summary's calls are all there are. The canary lacks it."""
NEWEST = "SELECT coalesce(max(number), 0) FROM grok_calls"
CALLS = "SELECT outcome FROM grok_calls WHERE conversations > 0 AND number > :last ORDER BY number"
TOTAL = "SELECT sum(cost_ticks) FROM grok_calls WHERE number > :last"
ASKED_AGAIN = ("malformed", "unfinished", "cut_off")
"""How a stream may end that is asked for once more in one piece."""

Fault = dict[str, Any]


class Form(NamedTuple):
    """A form of answer: how it is ordered, and the outcome of a call that is answered so, plain and streamed."""

    faults: Sequence[Fault]
    plain: str = "ok"
    streamed: str = "ok"
    states_usage: bool = True
    """Whether the server says what it bills; where it does not, the most that the call may cost stays booked."""


def one(kind: str, plain: str = "ok", streamed: str | None = None, *, usage: bool = True, **how: Any) -> Form:
    """A form of a single fault, which is the same streamed unless that is said."""
    return Form([{"kind": kind, **how}], plain, plain if streamed is None else streamed, usage)


def stream(*forms: str) -> Form:
    """A form that only a stream has."""
    return Form([{"kind": "stream_form", "text": form} for form in forms])


FORMS: dict[str, Form] = {
    "as documented": Form([]),
    "STOP": one("finish", text="STOP"),
    "Stop": one("finish", text="Stop"),
    "end_turn": one("finish", text="end_turn"),
    "no finish_reason beside whole JSON": one("finish", text=None),
    "in a code fence": one("fenced"),
    "in a code fence, with STOP": Form([{"kind": "fenced"}, {"kind": "finish", "text": "STOP"}]),
    "after a sentence": one("prose"),
    "in parts": one("parts"),
    "an empty data line as keep-alive": stream("keep_alive"),
    "comments": stream("comment"),
    "unknown events": stream("unknown_event"),
    "usage in a chunk without choices": stream("no_choices"),
    "no [DONE]": stream("no_done"),
    "no empty line at the end": stream("no_done", "no_blank_line"),
    "all of a stream's forms": stream("keep_alive", "comment", "unknown_event", "no_choices", "no_done"),
    "thoughts in the total only": one("thoughts_in_total", size=500),
    "no cost in the usage": one("no_ticks"),
    "no usage": one("no_usage", usage=False),
    "length": one("finish", "truncated", text="length"),
    "MAX_TOKENS": one("finish", "truncated", text="MAX_TOKENS"),
    "content_filter": one("finish", "refused", text="content_filter"),
    "tool_calls": one("finish", "unfinished", text="tool_calls"),
    "a refusal": one("refusal", "refused"),
    "half of the JSON": one("cut_off", "malformed"),
    "half of the JSON in a fence": Form(
        [{"kind": "content", "text": '```json\n{"a": ['}], "malformed", "malformed"
    ),
    "no JSON": one("content", "malformed", text="I am sorry."),
    "an error under 200": one("error_under_200", "no_completion", usage=False),
    "plain text": one("plain_text", "no_completion", usage=False),
    "a stream without an end": one("cut_stream", "ok", "unfinished", usage=False),
    "a stream whose end was made up": one("cut_stream", "ok", "malformed", text="stop"),
    "a stream whose connection breaks": one("drop_stream", "ok", "cut_off", usage=False),
}


async def conversation(service: Service, name: str) -> str | None:
    """Have one analysed; why it failed, None if it did not."""
    view = await service.ended(await service.post(f"{SAID}, and nobody answers {name}"))
    error: str | None = view["error"]
    return error


async def asked_summary(service: Service, name: str) -> str | None:
    """Ask for a summary, which comes in one piece; why it failed."""
    response = await summarize(service, await a_chat(service, name, said=[("customer", SAID)]))
    return _error(response.json())


async def heard_summary(service: Service, name: str) -> str | None:
    """Listen to a chat until its summary is there; why it failed."""
    async with joined(service.url, name) as client:
        await client.say(SAID)
        return _error((await client.next("summary"))["summary"])


def _error(summary: dict[str, Any]) -> str | None:
    return str(summary["error"]) if summary.get("status") == "failed" else None


class Cell(NamedTuple):
    """What is asked for, and whether the answer is streamed.

    Nobody asks for a conversation's to be streamed; some servers do it all the same.
    """

    ask: Callable[[Service, str], Awaitable[str | None]]
    """With a name that no other cell has."""
    streamed: bool
    unasked: bool = False


CELLS = {
    "conversation, plain": Cell(conversation, streamed=False),
    "conversation, streamed": Cell(conversation, streamed=True, unasked=True),
    "summary, plain": Cell(asked_summary, streamed=False),
    "summary, streamed": Cell(heard_summary, streamed=True),
}


def outcomes_of_calls(form: Form, cell: Cell) -> list[str]:
    """How each call of it ends."""
    first = form.streamed if cell.streamed else form.plain
    asked_again = cell.streamed and not cell.unasked and first in ASKED_AGAIN
    return [first, form.plain] if asked_again else [first]


class Answering(NamedTuple):
    """A service and its Grok."""

    service: Service
    grok: Grok

    async def told(self, outcomes: Collection[str]) -> dict[str, float]:
        """How many calls with each of these outcomes it tells of."""
        metrics = await self.service.metrics()
        return {outcome: metrics[f'grok_calls_total{{outcome="{outcome}"}}'] for outcome in outcomes}


@pytest.fixture(scope="module")
async def answering(shared_database_url: URL) -> AsyncIterator[Answering]:
    """One for all forms: each has conversations of its own."""
    settings = {"max_retries": 0, "chat_quiet_seconds": 0.2, "daily_budget_usd": 100}
    with faked() as grok:
        async with running(shared_database_url, grok, **settings) as service:
            yield Answering(service, grok)


@pytest.mark.parametrize("shared_database_url", [databases.SQLITE], indirect=True)
@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
async def test_each_form_is_stored_charged_and_told(answering: Answering, form: Form, cell: Cell) -> None:
    (service, grok), expected = answering, outcomes_of_calls(form, cell)
    grok.reset()
    for fault in [{"kind": "unasked_stream"}] * cell.unasked + [*form.faults]:
        grok.misbehave(**fault, marker=SAID)
    before, last = await answering.told({*expected, "ok"}), (await service.rows(NEWEST))[0][0]
    error = await cell.ask(service, f"cell-{[*FORMS.values()].index(form)}-{[*CELLS.values()].index(cell)}")
    calls: Sequence[Any] = await service.rows(CALLS, last=last)
    total: Sequence[Any] = await service.rows(TOTAL, last=last)
    health, told = await service.get("/health"), await answering.told(before)

    # stored
    failed = expected[-1] != "ok"
    assert (error or "ok").startswith(expected[-1])
    assert [row[0] for row in calls] == expected
    # charged
    booked = total[0][0]
    assert booked == grok.billed_ticks or (not form.states_usage and booked > grok.billed_ticks)
    # told: a canary that came back says that the provider is well
    due = Counter([*expected, *["ok"] * failed])
    assert {outcome: told[outcome] - before[outcome] for outcome in before} == {
        outcome: due[outcome] for outcome in before
    }
    assert (health["status"], health.get("reasons", [])) == ("ok", [])
    assert grok.violations == []


EVERYWHERE = {
    "an error under 200": (
        {"kind": "error_under_200"},
        "no_completion: HTTP 200 OK without a chat completion",
    ),
    "plain text": ({"kind": "plain_text"}, "the body is not JSON (text/plain) upstream said nothing"),
    "length": ({"kind": "finish", "text": "length"}, "truncated: it ended with finish_reason length"),
    "a refusal": ({"kind": "refusal"}, "refused: the model refused"),
    "no JSON": ({"kind": "content", "text": "I am sorry."}, "malformed: the content is not JSON"),
}


@pytest.mark.parametrize("database_url", [databases.SQLITE], indirect=True)
@pytest.mark.parametrize(("fault", "words"), EVERYWHERE.values(), ids=EVERYWHERE)
async def test_a_form_that_every_answer_has_is_told_in_words(
    database_url: URL, grok: Grok, fault: Fault, words: str
) -> None:
    grok.misbehave(**fault)
    async with running(database_url, grok, max_retries=0, cooldown_seconds=60) as service:
        id_ = await service.post(f"{SAID}, and nobody answers")

        async def reasons() -> str:
            return " ".join((await service.get("/health")).get("reasons", []))

        await eventually_says(reasons, words)
        view = await service.one(id_)

    # Held for a moment while the canary is under way.
    assert view["status"] in ("queued", "processing")


async def eventually_says(told: Callable[[], Awaitable[str]], words: str) -> None:
    """Wait until these words are told."""

    async def said() -> bool:
        return words in await told()

    await eventually(said)
