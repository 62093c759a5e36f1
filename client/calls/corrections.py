"""Calls about corrections: what a person says counts in place of what the analyzer says."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ..answers import CorrectedConversation
from ..answers.conversations import FieldValue
from ..wire import Call, encoded
from .building import nothing, path_to, reader
from .conversations import CONVERSATIONS

AS_IT_IS: Any = object()
"""In place of a value that stays as it is."""


def correct(
    conversation_id: str,
    *,
    sentiment: Literal["positive", "neutral", "negative"] | None = AS_IT_IS,
    clusters: Sequence[str] | None = AS_IT_IS,
    outcome: Literal["yes", "no", "maybe", "curious"] | None = AS_IT_IS,
    fields: Mapping[str, FieldValue] | None = AS_IT_IS,
    withdrawn_fields: Sequence[str] = (),
) -> Call[CorrectedConversation]:
    """Correct a conversation's sentiment, its one to five topics, the outcome of its summary or answers to fields.

    The same value as the analyzer's confirms it. None takes a correction back; as the value of a field it says that the
    conversation has none, and `withdrawn_fields` takes corrections of fields back. Raises Invalid, NotFound, Conflict.
    """
    topics = clusters if clusters in (None, AS_IT_IS) else [*(clusters or ())]
    given = {"sentiment": sentiment, "clusters": topics, "outcome": outcome, "fields": fields}
    new = {name: value for name, value in given.items() if value is not AS_IT_IS}
    if withdrawn_fields:
        new["withdrawn_fields"] = [*withdrawn_fields]
    path = f"{path_to(CONVERSATIONS, conversation_id)}/corrections"
    return Call("POST", path, reader(CorrectedConversation), body=encoded(new))


def withdraw_correction(conversation_id: str) -> Call[None]:
    """Take a correction back: what the analyzer says counts again. Raises NotFound."""
    return Call("DELETE", f"{path_to(CONVERSATIONS, conversation_id)}/corrections", nothing)
