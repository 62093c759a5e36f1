"""What a model wrote, out of the forms in which servers hand it over: text, or a list of parts with text."""


def text_of(content: object) -> str:
    """The text of a message's content: a string, or the text parts of a list joined. Empty if there is none."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(filter(None, map(_part_text, parts)))


def _part_text(part: object) -> str:
    if isinstance(part, str):
        return part
    text = part.get("text") if isinstance(part, dict) else None
    return text if isinstance(text, str) else ""
