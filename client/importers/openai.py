"""Dialogues with language models: `messages` with the roles user, assistant, system, developer and tool.

What makes them special is their content: it may be a list of parts, of which those of type text are said, and it is
null where the model calls a tool.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from client.importers.fields import Reader

TEXTS = frozenset({"text", "input_text", "output_text", "refusal"})
CALLS = ("tool_calls", "function_call")
ROLES = frozenset({"user", "assistant", "system", "developer", "tool", "function"})


def is_one(fields: Mapping[str, Any]) -> bool:
    """Whether an object's messages are such: every one has one of the roles and content, or calls a tool."""
    messages = fields.get("messages")
    return isinstance(messages, list) and bool(messages) and all(map(_is_message, messages))


def _is_message(message: object) -> bool:
    return (
        isinstance(message, Mapping)
        and message.get("role") in ROLES
        and ("content" in message or any(name in message for name in CALLS))
    )


def plain(fields: Mapping[str, Any], reader: Reader) -> dict[str, Any]:
    """The object with texts as contents. Messages without one are left out and counted."""
    return {**fields, "messages": list(_plain(fields["messages"], reader))}


def _plain(messages: list[dict[str, Any]], reader: Reader) -> Iterator[dict[str, Any]]:
    for message in messages:
        content = message.get("content")
        rest = {name: value for name, value in message.items() if name not in CALLS}
        if any(message.get(name) for name in CALLS) and not content:
            reader.left_out["tool call"] += 1
        elif isinstance(content, list):
            text = _text_of(content, reader)
            if text:
                yield {**rest, "content": text}
        else:
            yield rest


def _text_of(parts: list[Any], reader: Reader) -> str:
    """The parts that are texts, a line each. The others are counted. Raises ValueError."""
    texts = []
    for part in parts:
        inside = part if isinstance(part, Mapping) else {"type": "text", "text": part}
        kind = inside.get("type")
        text = inside.get("refusal" if kind == "refusal" else "text")
        if kind in TEXTS and isinstance(text, str):
            texts.append(text)
        elif kind in TEXTS:
            raise ValueError("a part of content is no text")
        else:
            reader.left_out["media"] += 1
    return "\n".join(texts)
