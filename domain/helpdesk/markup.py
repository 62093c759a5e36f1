"""HTML as the text that somebody read."""

import re

from inscriptis import get_text

TAG = re.compile(r"</?(?:[a-z][a-z0-9]*)(?:\s[^<>]*)?/?>", re.IGNORECASE)
LONGEST = 1_000_000
"""Characters: no message of 20,000 needs more markup than that."""


def plain_text(markup: str) -> str:
    """The text of HTML, without tags and with entities decoded; paragraphs are lines of their own.

    What has no tag in it is no HTML and comes back as it is. Raises ValueError where it cannot be read.
    """
    if not TAG.search(markup):
        return markup
    if len(markup) > LONGEST:
        raise ValueError(f"HTML of {len(markup):,} characters, {LONGEST:,} are read")
    try:
        return str(get_text(markup)).strip()
    except RecursionError:
        raise ValueError("HTML that is nested too deeply") from None
