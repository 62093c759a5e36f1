"""Drafts of summaries: what there is of one while it is being written, for listeners that other processes have."""

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection, select, update

from models import conversations, summaries
from store.conversations.by_id import has_id
from store.engine.vault import at, vault_of

_c, _s = conversations.c, summaries.c


class HeldDraft(NamedTuple):
    """All that there is so far of a chat's summary, and the lease of whoever writes it."""

    chat: str
    lease: str
    text: str


def store_drafts(connection: Connection, drafts: Iterable[HeldDraft]) -> None:
    """Store drafts, except those of summaries that are not held by that lease any more."""
    for draft in sorted(drafts):
        held = select(_c.number).join_from(conversations, summaries).where(has_id(draft.chat))
        number = connection.scalar(held.where(_s.lease == draft.lease))
        if number is not None:
            text = vault_of(connection).seal("summaries.draft", at(number), draft.text)
            mine = update(summaries).where(_s.conversation == number, _s.lease == draft.lease)
            connection.execute(mine.values(draft=text))
