"""Evidence: checks that the quotes of a summary occur in the messages that it cites."""

import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from domain.summaries import Item, Summary

AnyItem = TypeVar("AnyItem", bound=Item)

PLAIN = str.maketrans(
    {"\u2018": "'", "\u2019": "'", "\u201a": "'", "\u201c": '"', "\u201d": '"', "\u201e": '"'}
)
# Characters that models put around a quote, or in place of an omission.
AROUND = " \"'.\u2026\u00ab\u00bb"


def verified(summary: Summary, texts: Mapping[int, str]) -> Summary:
    """The summary with `verified` set on each item whose quote occurs in its messages; `texts` is by position."""

    def checked(items: tuple[AnyItem, ...]) -> tuple[AnyItem, ...]:
        return tuple(replace(item, verified=_is_found(item, texts)) for item in items)

    return replace(
        summary,
        action_items=checked(summary.action_items),
        decisions=checked(summary.decisions),
        questions=checked(summary.questions),
    )


def _is_found(item: Item, texts: Mapping[int, str]) -> bool:
    quote = plain(item.quote).strip(AROUND)
    return bool(quote) and any(quote in plain(texts.get(position, "")) for position in item.positions)


def plain(text: str) -> str:
    """The text without what a quote may change: white space, case, the shape of quotation marks."""
    return " ".join(unicodedata.normalize("NFKC", text).translate(PLAIN).casefold().split())
