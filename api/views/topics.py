"""Topics as clients see them."""

from typing import Any

from core.clock import iso_or_none
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


def topic_cells(topic: Topic) -> list[Any]:
    """A topic as cells of a CSV."""
    return [
        " ".join(cell) if isinstance(cell, list) else "" if cell is None else cell
        for cell in topic_view(topic).values()
    ]
