"""Topics as clients see them."""

import json
from typing import Any

from sqlalchemy import Row

from core.clock import iso, iso_or_none
from domain.topics import label_of, topic_id
from store.topics.catalogue import Topic

COLUMNS = (
    *("id", "slug", "label", "description", "parent", "state", "origin", "aliases"),
    *("merged_into", "created_at"),
)


def topic_view(topic: Topic) -> dict[str, Any]:
    """A topic, its fields in the order of COLUMNS."""
    return {
        "id": topic.id,
        "slug": topic.slug,
        "label": topic.label or label_of(topic.slug),
        "description": topic.description,
        "parent": None if topic.parent is None else topic_id(topic.parent),
        "state": topic.state,
        "origin": topic.origin,
        "aliases": topic.aliases,
        "merged_into": None if topic.merged_into is None else topic_id(topic.merged_into),
        "created_at": iso_or_none(topic.created_at),
    }


def change_view(change: Row[Any]) -> dict[str, Any]:
    """A change; `change` is a row of `topic_changes`."""
    return {
        "id": change.number,
        "at": iso(change.at),
        "by": change.actor,
        "kind": change.kind,
        "topic": topic_id(change.topic),
        "before": _with_ids(json.loads(change.before)),
        "after": _with_ids(json.loads(change.after)),
        "undone_at": iso_or_none(change.undone_at),
        "undone_by": change.undone_by,
    }


def _with_ids(values: dict[str, Any]) -> dict[str, Any]:
    """What a change notes for clients: topics by their ids, and nothing that only undoing it needs."""
    found = {name: value for name, value in values.items() if name not in ("edited", "name")}
    for name in ("parent", "into"):
        if found.get(name) is not None:
            found[name] = topic_id(found[name])
    if "from" in found:
        found["from"] = [topic_id(number) for number in found["from"]]
    if "topics" in found:
        found["topics"] = [
            {"id": topic_id(each["number"]), "state": each["state"], "of": [*map(topic_id, each["members"])]}
            for each in found["topics"]
        ]
    return found
