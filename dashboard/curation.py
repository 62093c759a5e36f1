"""Topics and what people did to them, as rows and as sentences: no drawing, no calls."""

from collections.abc import Mapping, Sequence
from typing import Any

from client.answers import ComparedTopic, Topic, TopicChange
from dashboard import words
from dashboard.text import Row

Names = Mapping[str, str]
"""Labels of topics by id."""
ORIGINS = {
    "built_in": "built in",
    "proposed": "an analyzer's word",
    "discovered": "discovered",
    "human": "made by a person",
}
HOW = {
    "words": "by their words",
    "group": "of a proposed group",
    "ask": "by a question about each",
    "proposal": "of a proposal that was accepted",
}
FIELDS = {
    "slug": "slug",
    "label": "label",
    "description": "meaning",
    "parent": "topic above it",
    "state": "state",
}


def names(topics: Sequence[Topic]) -> Names:
    """What each is called, by its id."""
    return {each.id: each.label for each in topics}


def listed(topics: Sequence[Topic], words_: str | None, state: str | None) -> list[Topic]:
    """Those in a state, without one all but merged ones, that have the words in a name or their meaning."""
    wanted = (words_ or "").casefold().split()
    return [
        each
        for each in topics
        if (each.state == state if state else each.state != "merged")
        if all(word in _said_of(each) for word in wanted)
    ]


def _said_of(topic: Topic) -> str:
    return " ".join((topic.label, topic.slug, *topic.aliases, topic.description)).casefold()


def topic_rows(topics: Sequence[Topic], counted: Sequence[ComparedTopic], called: Names) -> list[Row]:
    """A row for each topic, those of the most conversations first; `counted` are the figures of a window."""
    figures = {each.slug: each for each in counted}
    rows = [_row(each, figures.get(each.slug), called) for each in topics]
    return sorted(rows, key=lambda row: (-int(str(row["n"])), str(row["topic"])))


def _row(topic: Topic, figures: ComparedTopic | None, called: Names) -> Row:
    return {
        "slug": topic.slug,
        "topic": topic.label,
        "n": figures.count if figures else 0,
        "when": figures.sparkline if figures else [],
        "meaning": topic.description,
        "state": topic.state,
        "above": called.get(topic.parent or "", ""),
        "aliases": ", ".join(topic.aliases),
        "origin": ORIGINS[topic.origin],
    }


def found(topics: Sequence[Topic], name: str | None) -> Topic | None:
    """The topic with a slug, an id or an alias; of a merged one the topic that it is merged into."""
    by_id = {each.id: each for each in topics}
    for each in topics:
        if name in (each.slug, each.id):
            return by_id.get(each.merged_into or "", each)
    return next((each for each in topics if name in each.aliases), None)


def facts(topic: Topic, topics: Sequence[Topic]) -> list[Row]:
    """What is known of a topic."""
    called = names(topics)
    merged = [each.label for each in topics if each.merged_into == topic.id]
    below = [each.label for each in topics if each.parent == topic.id]
    said = {
        "Slug": topic.slug,
        "Meaning": topic.description,
        "Other names": ", ".join(topic.aliases),
        "Merged into it": ", ".join(merged),
        "Above it": called.get(topic.parent or "", ""),
        "Below it": ", ".join(below),
        "State": topic.state,
        "Where it is from": ORIGINS[topic.origin],
    }
    return [{"what": what, "found": found or words.UNKNOWN} for what, found in said.items()]


def sentence_of(change: TopicChange, called: Names) -> str:
    """What was done, in a sentence without who did it; a text, because labels are anybody's."""
    match change.kind:
        case "merge":
            sources = ", ".join(sorted(_quoted(each, called) for each in change.after.get("from", ())))
            return f"{sources} merged into {_quoted(change.topic, called)}"
        case "split":
            return _split(change, called)
    return f"{_quoted(change.topic, called)}: {_edited(change, called)}"


def _split(change: TopicChange, called: Names) -> str:
    how = HOW.get(str(change.after.get("how")), "")
    made = _quoted(str(change.after.get("into")), called)
    if change.after.get("into") == change.topic:
        return f"{made} made of the conversations {how}".rstrip()
    return f"Conversations moved from {_quoted(change.topic, called)} to {made} {how}".rstrip()


def _edited(change: TopicChange, called: Names) -> str:
    parts = [
        f"{FIELDS.get(name, name)} from {_value(change.before.get(name), called)} to {_value(new, called)}"
        for name, new in change.after.items()
    ]
    return "; ".join(parts) or "changed"


def _value(value: Any, called: Names) -> str:
    return "nothing" if value in (None, "") else f"“{called.get(str(value), value)}”"


def _quoted(id_: str, called: Names) -> str:
    return f"“{called.get(id_, id_)}”"


def change_rows(changes: Sequence[TopicChange], called: Names) -> list[Row]:
    """A row for each change, in their order."""
    return [
        {
            "when": each.at,
            "what": sentence_of(each, called),
            "by": each.by,
            "taken back": each.undone_at,
            "taken back by": each.undone_by or "",
        }
        for each in changes
    ]


def standing(changes: Sequence[TopicChange]) -> TopicChange | None:
    """What an undo takes back: the newest change that still stands."""
    return next((each for each in changes if each.undone_at is None), None)
