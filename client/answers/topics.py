"""Topics, and what people did to them."""

from typing import Any, Literal

from pydantic import AwareDatetime

from .base import Answer


class Topic(Answer):
    """A topic; `parent` and `merged_into` are ids of others."""

    id: str
    slug: str
    label: str
    description: str
    parent: str | None
    state: Literal["active", "hidden", "merged"]
    origin: Literal["built_in", "proposed", "discovered", "human"]
    aliases: list[str]
    merged_into: str | None
    created_at: AwareDatetime | None


class TopicsPage(Answer):
    """A page of topics, by slug."""

    topics: list[Topic]
    next_cursor: str | None


class TopicChange(Answer):
    """A change of topics, with what was before and is afterwards."""

    id: int
    at: AwareDatetime
    by: str
    kind: Literal["edit", "merge", "split"]
    topic: str
    before: dict[str, Any]
    after: dict[str, Any]
    undone_at: AwareDatetime | None
    undone_by: str | None


class TopicHistory(Answer):
    """What was done to a topic, or to all, the newest first."""

    changes: list[TopicChange]
    next_cursor: str | None


class Undone(Answer):
    """The number of the change that was taken back."""

    change: int
