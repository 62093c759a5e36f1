"""Conversations and their insights as clients see them."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

from core.clock import iso, iso_or_none
from domain.analysis import CONFIDENCE_UNIT, SCORE_UNIT, SENTIMENT_NAMES, UNSURE
from domain.fields.kinds import FieldValue
from llm.prices import TICKS_PER_USD
from models import FAILED, QUEUED, SKIPPED
from store.conversations.records import StoredConversation
from store.insights.corrections import ShownCorrection
from store.insights.entries import InsightEntry, ListedRow, ShownInsight
from store.insights.makers import Maker
from store.insights.participants import Participant
from store.insights.versions import InsightVersion

Json = dict[str, Any]


def insight_view(insight: ShownInsight | InsightEntry) -> Json:
    """An insight."""
    row = insight.row
    return {
        "grok_analysis": {
            "sentiment_score": score_view(row.sentiment, row.score),
            "clusters": insight.clusters,
            "confidence": row.confidence / CONFIDENCE_UNIT,
            "reasoning": row.reasoning,
        },
        "sentiment": SENTIMENT_NAMES[row.sentiment],
        "language": row.language,
        **fields_view(row),
        **maker_view(row),
        "cached": bool(row.cached),
        "partial": bool(row.partial),
        "analysed_at": iso(row.analysed_at),
        "correction": insight.correction and correction_view(insight.correction, row.fields),
    }


def correction_view(correction: ShownCorrection, counted: str | None) -> Json:
    """What a person says of a conversation, and what the analyzer says beside it; `counted` are its fields, as JSON."""
    row = correction.row
    fields, own = _object(counted), _object(row.model_fields or counted)
    return {
        "sentiment": None if row.sentiment is None else SENTIMENT_NAMES[row.sentiment],
        "clusters": correction.clusters,
        "outcome": row.outcome,
        "fields": _said_of(fields, row.said.fields),
        "made_at": iso(row.made_at),
        "made_by": row.made_by,
        "model": {
            "sentiment": SENTIMENT_NAMES[row.model_sentiment],
            "sentiment_score": score_view(row.model_sentiment, row.model_score),
            "clusters": correction.model_clusters,
            "confidence": row.model_confidence / CONFIDENCE_UNIT,
            "outcome": row.model_outcome,
            "fields": own,
        },
    }


def _said_of(counted: Json | None, said: Mapping[str, FieldValue] | None) -> Json | None:
    """Without what was said of another version of the fields, and cannot count in this one."""
    if counted is None or said is None:
        return None
    shown = {name: value for name, value in said.items() if name in counted and counted[name] == value}
    return shown or None


def fields_view(row: Row[Any] | ListedRow) -> Json:
    """The answers to the operator's fields, with the version of the fields; null if there were none."""
    values = None if row.fields is None else json.loads(row.fields)
    return {"fields": values, "fields_version": row.fields_version}


def maker_view(made: Maker | Row[Any] | ListedRow) -> Json:
    """Who made an insight."""
    return {
        "analyzer": made.analyzer,
        "model": made.model,
        "prompt_version": made.prompt_version or None,
    }


def version_view(version: InsightVersion) -> Json:
    """An earlier version of an insight."""
    row = version.row
    return {
        "origin": row.origin,
        "sentiment": SENTIMENT_NAMES[row.sentiment],
        "sentiment_score": score_view(row.sentiment, row.score),
        "clusters": version.clusters,
        "confidence": row.confidence / CONFIDENCE_UNIT,
        "reasoning": row.reasoning,
        "language": row.language,
        **fields_view(row),
        **maker_view(row),
        "made_at": iso(row.made_at),
        "made_by": row.made_by,
        "replaced_at": iso(row.replaced_at),
    }


def score_view(sentiment: int, score: int) -> float | None:
    """A score from -1 to 1; None for what is unsure."""
    return None if sentiment == UNSURE else score / SCORE_UNIT


def participant_view(participant: Participant) -> Json:
    """Somebody who wrote in a conversation."""
    return {"id": participant.name, "roles": list(participant.roles)}


def item_view(row: Row[Any]) -> Json:
    """A conversation without its text; `row` is one of `conversations`."""
    return {
        "conversation_id": row.id,
        "status": row.status,
        "external_id": row.external_id,
        "author": row.author,
        "timestamp": iso(row.timestamp),
        "metadata": _object(row.metadata),
        "error": row.error if row.status == FAILED else None,
        "skip_reason": row.error if row.status == SKIPPED else None,
        "attempts": row.attempts,
        "due_at": analysis_due_at(row),
        "received_at": iso(row.received_at),
        "finished_at": iso_or_none(row.finished_at),
        "redactions": _object(row.redactions) or {},
    }


def analysis_due_at(row: Row[Any]) -> str | None:
    """When a chat that has to be quiet first will be analysed; None for others."""
    return iso(row.run_at) if row.status == QUEUED and row.quiet_at is not None else None


def conversation_view(stored: StoredConversation, *, raw: bool) -> Json:
    """A conversation as it was sent, with its insight if there is one; `raw` adds the analyzer's own row."""
    row, insight = stored.conversation, stored.insight
    view = {
        **item_view(row),
        **_content(stored),
        "raw_data": _object(row.raw_data),
        "insight": insight and {**insight_view(insight), **_history_view(stored)},
    }
    return {**view, "raw": _raw_view(stored)} if raw else view


def _history_view(stored: StoredConversation) -> Json:
    return {} if stored.history is None else {"history": [*map(version_view, stored.history)]}


def status_view(row: Row[Any], insight: ShownInsight | None) -> Json:
    """The status of a conversation, with its insight if there is one."""
    return {
        "conversation_id": row.id,
        "status": row.status,
        "error": row.error if row.status == FAILED else None,
        "skip_reason": row.error if row.status == SKIPPED else None,
        "insight": insight and insight_view(insight),
    }


def _content(stored: StoredConversation) -> Json:
    row = stored.conversation
    if not row.is_chat:
        return {"text": stored.messages[0].text}
    return {
        "messages": [
            {
                "text": message.text,
                "author": message.author,
                "role": message.role,
                "timestamp": iso_or_none(message.timestamp),
                "message_id": message.message_id,
            }
            for message in stored.messages
        ],
        "messages_truncated": row.message_count - row.erased > len(stored.messages),
    }


def _raw_view(stored: StoredConversation) -> Json | None:
    if stored.insight is None:
        return None
    # A model may write NaN in fields that are not validated; JSON has no NaN.
    answer = json.loads(stored.insight.row.raw, parse_constant=str)
    return {"answer": answer, "call": stored.call and _call_view(stored.call)}


def _call_view(row: Row[Any]) -> Json:
    tokens = ("prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens")
    return {
        "id": row.number,
        "provider": row.provider,
        "model": row.model,
        "request_id": row.request_id,
        "conversations": row.conversations,
        **{name: getattr(row, name) for name in tokens},
        "cost_usd": None if row.cost_ticks is None else row.cost_ticks / TICKS_PER_USD,
        "started_at": iso(row.started_at),
        "finished_at": iso_or_none(row.finished_at),
    }


def _object(text: str | None) -> Json | None:
    return None if text is None else json.loads(text)
