"""What webhooks are told of conversations: noted in the transaction that ends them, while their rows are locked."""

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Connection, select

from domain.events import (
    CONVERSATION_FAILED,
    INSIGHT_COMPLETED,
    SUMMARY_COMPLETED,
    Json,
    WebhookEvent,
    about_conversation,
    insight_data,
    summary_data,
)
from domain.summaries import Part
from models import conversations, summaries
from store.insights.shown import slugs_shown
from store.insights.writing import Insight
from store.webhooks.outbox import note_events, subscribers, wants

Ids = Mapping[int, Json]
_c = conversations.c


def note_analysed(
    connection: Connection, insights: Sequence[Insight], errors: Mapping[int, str], *, now: int
) -> None:
    """Note insights, and why conversations failed, by their intake numbers."""
    wanted = subscribers(connection) if insights or errors else {}
    insights = insights if wants(wanted, INSIGHT_COMPLETED) else ()
    errors = errors if wants(wanted, CONVERSATION_FAILED) else {}
    if not insights and not errors:
        return
    ids = _ids(connection, [*(each.conversation for each in insights), *errors])
    events = [*_completed(connection, insights, ids, now), *_failed(errors, ids, now)]
    note_events(connection, wanted, events)


def _completed(
    connection: Connection, insights: Sequence[Insight], ids: Ids, now: int
) -> Iterator[WebhookEvent]:
    slugs = slugs_shown(connection, {name for each in insights for name in each.analysis.clusters})
    for each in insights:
        clusters = dict.fromkeys(slugs.get(name, name) for name in each.analysis.clusters)
        made = each._asdict()
        data = {**ids[each.conversation], "insight": insight_data(each.analysis, [*clusters], made)}
        yield about_conversation(INSIGHT_COMPLETED, now, data, each.conversation)


def _failed(errors: Mapping[int, str], ids: Ids, now: int) -> Iterator[WebhookEvent]:
    for number, error in errors.items():
        data = {**ids[number], "error": error}
        yield about_conversation(CONVERSATION_FAILED, now, data, number)


def note_summarised(connection: Connection, conversation: int, part: Part, *, now: int) -> None:
    """Note that a summary was stored."""
    wanted = subscribers(connection)
    if wants(wanted, SUMMARY_COMPLETED):
        stored = select(summaries.c.message_count).where(summaries.c.conversation == conversation)
        messages = connection.scalar(stored) or 0
        summary = summary_data(part.summary, messages, part.analyzer, part.model)
        data = {**_ids(connection, [conversation])[conversation], "summary": summary}
        note_events(connection, wanted, [about_conversation(SUMMARY_COMPLETED, now, data, conversation)])


def _ids(connection: Connection, numbers: Sequence[int]) -> Ids:
    rows = connection.execute(select(_c.number, _c.id, _c.external_id).where(_c.number.in_(numbers)))
    return {number: {"conversation_id": id_, "external_id": external} for number, id_, external in rows}
