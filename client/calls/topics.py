"""Calls about topics. A topic is named by its id, its slug, an alias or its label."""

import json
from collections.abc import Sequence
from typing import Any, Literal

from ..answers import Job, TopicHistory, TopicsPage, Undone
from ..answers import Topic as StoredTopic
from ..wire import Call, encoded
from .building import getting, path_to, reader

FOLDER = "/api/v1/topics"
KEEP: Any = object()
"""In place of a value that stays as it is."""


def all_topics_page(
    *, state: Literal["active", "hidden", "merged"] | None = None, limit: int = 100, cursor: str | None = None
) -> Call[TopicsPage]:
    """A page of 1 to 1,000 topics, by slug."""
    params = {"state": state, "limit": limit, "cursor": cursor}
    return getting(f"{FOLDER}/all", reader(TopicsPage), params)


def change_topic(
    topic: str,
    *,
    slug: str = KEEP,
    label: str | None = KEEP,
    description: str = KEEP,
    parent: str | None = KEEP,
    state: Literal["active", "hidden"] = KEEP,
) -> Call[StoredTopic]:
    """Rename, describe or hide a topic, or move it under another. None takes a label or a parent away."""
    given = {"slug": slug, "label": label, "description": description, "parent": parent, "state": state}
    new = {name: value for name, value in given.items() if value is not KEEP}
    return Call("PATCH", path_to(FOLDER, topic), reader(StoredTopic), body=encoded(new))


def merge_topics(sources: Sequence[str], into: str) -> Call[Job]:
    """Begin to merge topics into one."""
    body = encoded({"from": list(sources), "into": into})
    return Call("POST", f"{FOLDER}/merge", reader(Job), body=body)


def split_topic(
    topic: str, slug: str, *, words: str | None = None, group: str | None = None, ask: str | None = None
) -> Call[Job]:
    """Begin to move conversations to a topic of their own: those with all the words, those of a proposal, or those
    for which the analyzer answers a question with yes. One of the three.
    """
    how = {"words": words, "group": group, "ask": ask}
    body = encoded({"slug": slug, **{name: value for name, value in how.items() if value is not None}})
    return Call("POST", f"{path_to(FOLDER, topic)}/split", reader(Job), body=body)


def undo_topic_change() -> Call[Undone | Job]:
    """Take the newest change of topics back, or begin to: then the answer is a job."""
    return Call("POST", f"{FOLDER}/undo", _undone)


def topic_changes(*, limit: int = 100, cursor: str | None = None) -> Call[TopicHistory]:
    """A page of what was done to all topics, the newest first."""
    return getting(f"{FOLDER}/changes", reader(TopicHistory), {"limit": limit, "cursor": cursor})


def topic_history(topic: str, *, limit: int = 100, cursor: str | None = None) -> Call[TopicHistory]:
    """A page of what was done to a topic, the newest first."""
    return getting(
        f"{path_to(FOLDER, topic)}/history", reader(TopicHistory), {"limit": limit, "cursor": cursor}
    )


def _undone(body: bytes) -> Undone | Job:
    answer = json.loads(body)
    return Undone.model_validate(answer) if "change" in answer else Job.model_validate_json(body)
