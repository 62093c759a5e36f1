"""Deletes conversations; a long one in steps, so that no other write waits for long."""

from collections.abc import Collection
from functools import partial

from database import Database
from store.conversations import records, storage


async def remove(database: Database, id_: str) -> bool:
    """Delete a conversation and everything that belongs to it; gives whether it existed."""
    # From the end, a hundred messages per transaction: 50,000 in one would delay intake by seconds.
    while await database.write(partial(records.delete_last_messages, id_=id_)):
        pass
    return await database.write(partial(records.delete_conversation, id_=id_))


async def remove_expired(database: Database, ids: Collection[str], before: int) -> list[str]:
    """Delete conversations of few messages, except those with a message since `before`; gives the ids."""
    return [*await database.write(partial(storage.delete_expired, ids=ids, before=before))]


async def remove_long_expired(database: Database, id_: str, before: int) -> list[str]:
    """Delete a conversation of many messages unless it has one since `before`; gives its id if it is gone.

    If a message arrives in the middle, the chat stays with the messages that are left.
    """
    while await database.write(partial(storage.shorten_expired, id_=id_, before=before)):
        pass
    return await remove_expired(database, [id_], before)
