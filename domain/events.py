"""Events that webhooks tell of: their types, what each says, and the body that is sent. Times in UTC microseconds."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from core.clock import iso
from domain.analysis import CONFIDENCE_UNIT, SCORE_UNIT, SENTIMENT_NAMES, Analysis
from domain.summaries import Summary, to_json

Json = dict[str, Any]
INSIGHT_COMPLETED, CONVERSATION_FAILED = "insight.completed", "conversation.failed"
SUMMARY_COMPLETED, TOPIC_PROPOSED = "summary.completed", "topic.proposed"
ALERT_FIRED, ALERT_RESOLVED = "alert.fired", "alert.resolved"
EVENT_TYPES = (
    INSIGHT_COMPLETED,
    CONVERSATION_FAILED,
    SUMMARY_COMPLETED,
    TOPIC_PROPOSED,
    ALERT_FIRED,
    ALERT_RESOLVED,
)


class WebhookEvent(NamedTuple):
    """Something that has happened."""

    type: str
    at: int
    data: Json
    subject: str
    """What it is about, such as a conversation. Events of one subject are delivered in order."""
    conversation: int | None = None
    """The intake number of the conversation, with which the event goes."""


def about_conversation(type_: str, at: int, data: Json, conversation: int) -> WebhookEvent:
    """An event of a conversation, by its intake number."""
    return WebhookEvent(type_, at, data, f"conversation:{conversation}", conversation)


def body_of(event: WebhookEvent) -> str:
    """What is sent: the same text at every try."""
    body = {"type": event.type, "timestamp": iso(event.at), "data": event.data}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def insight_data(analysis: Analysis, clusters: Sequence[str], made: Mapping[str, Any]) -> Json:
    """An insight, with the fields of GET. `made` has analyzer, model, prompt_version, cached, partial and
    analysed_at."""
    return {
        "grok_analysis": {
            "sentiment_score": None if analysis.is_unsure else analysis.score / SCORE_UNIT,
            "clusters": list(clusters),
            "confidence": analysis.confidence / CONFIDENCE_UNIT,
            "reasoning": analysis.reasoning,
        },
        "sentiment": SENTIMENT_NAMES[analysis.sentiment],
        "language": analysis.language,
        "fields": analysis.fields and analysis.fields.values,
        "fields_version": analysis.fields and analysis.fields.version,
        "analyzer": made["analyzer"],
        "model": made["model"],
        "prompt_version": made["prompt_version"] or None,
        "cached": made["cached"],
        "partial": made["partial"],
        "analysed_at": iso(made["analysed_at"]),
    }


def summary_data(summary: Summary, message_count: int, analyzer: str, model: str) -> Json:
    """A summary, with its items."""
    return {**to_json(summary), "message_count": message_count, "analyzer": analyzer, "model": model}
