"""What is written back to a help desk: labels of an insight, and a note with a summary."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

CHATWOOT = "chatwoot"
CONVERSATION = re.compile(r"chatwoot:([0-9]{1,18})")
"""The id of a chat that came from Chatwoot, with the conversation's number there."""
OF_SENTIMENT = "sentiment_"
Json = Mapping[str, Any]
SECTIONS = (("action_items", "To do"), ("decisions", "Decided"), ("questions", "Open questions"))


def labels_after(present: Sequence[str], insight: Json) -> list[str]:
    """The labels of a conversation once it has those of an insight: its topics, and one sentiment.

    What people have put there stays.
    """
    kept = [each for each in present if not each.startswith(OF_SENTIMENT)]
    ours = [*insight["grok_analysis"]["clusters"], f"{OF_SENTIMENT}{insight['sentiment']}"]
    return list(dict.fromkeys([*kept, *ours]))


def mark_of(event: str) -> str:
    """The end of a note, by which it is known again: Chatwoot would post the same one twice."""
    return f"Insights Platform, {event}"


def note_of(summary: Json, event: str) -> str:
    """A private note for agents."""
    lines = [str(summary["summary"])]
    for name, title in SECTIONS:
        items = [each["text"] for each in summary[name] if not each.get("answered", False)]
        if items:
            lines += ["", f"{title}:", *(f"- {each}" for each in items)]
    return "\n".join([*lines, "", mark_of(event)])
