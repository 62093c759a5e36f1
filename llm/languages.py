"""The languages of the texts that a call carries, found out beside the call."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from domain.analysis import Invalid, Reply

Languages = Callable[[Sequence[str]], Awaitable[Sequence[str | None]]]
"""Finds out the language of each text; never fails."""


def with_languages(reply: Reply, languages: Sequence[str | None]) -> Reply:
    """The reply with the language of each text in its row."""
    pairs = zip(reply.rows, languages, strict=True)
    rows = [row if isinstance(row, Invalid) else row._replace(language=language) for row, language in pairs]
    return replace(reply, rows=rows)
